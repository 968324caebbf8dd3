// Stores the page for use without a network, and adds the headers of cross-origin isolation, which WebAssembly threads
// need and many hosts of static files cannot send. vite.config.ts fills in the version and the list of files.
const cacheName = 'playground-__VERSION__';
const files = ['__FILES__'];

globalThis.addEventListener('install', (event) => {
  const store = async () => {
    const cache = await caches.open(cacheName);
    await cache.addAll(files.map((file) => new Request(file, { cache: 'reload' })));
    await globalThis.skipWaiting();
  };
  event.waitUntil(store());
});

globalThis.addEventListener('activate', (event) => {
  const replace = async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith('playground-') && name !== cacheName) await caches.delete(name);
    }
    await globalThis.clients.claim();
  };
  event.waitUntil(replace());
});

/** A copy of the response with the headers of cross-origin isolation. */
function isolated(response) {
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

async function respond(request) {
  const cache = await caches.open(cacheName);
  const stored = await cache.match(request, { ignoreSearch: true });
  if (stored !== undefined) return isolated(stored);
  const response = await fetch(request);
  if (response.ok && response.type === 'basic') await cache.put(request, response.clone());
  return isolated(response);
}

globalThis.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || new URL(request.url).origin !== globalThis.location.origin) return;
  event.respondWith(respond(request));
});
