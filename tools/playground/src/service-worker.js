// Stores the page for use without a network, and adds the headers of cross-origin isolation, which WebAssembly threads
// need and many hosts of static files cannot send. vite.config.ts fills in the version and the lists of files.
const { pathname: scope } = new URL('./', globalThis.location.href);
/** Of all versions at this address; copies at other addresses of the same host have their own. */
const prefix = `playground:${scope}:`;
const cacheName = `${prefix}__VERSION__`;
const files = ['__FILES__'];
/** Stored when first used. */
const laterFiles = ['__LATER_FILES__'];

/** Milliseconds that a page waits for the network, to see whether it is still this one. */
const longestWait = 3000;

/** The names of this page's caches, oldest version first. */
const ownCaches = async () => (await caches.keys()).filter((name) => name.startsWith(prefix));

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
    // The version before this one stays: a page of it may be open, and load more of its files.
    const others = (await ownCaches()).filter((name) => name !== cacheName);
    for (const name of others.slice(0, -1)) await caches.delete(name);
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

/** Whether the answer is the playground's page: on localhost, another project may use the same port later. */
async function isPlayground(answer) {
  return (await answer.clone().text()).includes('<meta name="application-name" content="dm-playground"');
}

/** The stored page, as long as the address does not serve another one. Then the worker and its files are removed. */
async function respondWithPage(request) {
  const cache = await caches.open(cacheName);
  const stored = await cache.match('./');
  let answer;
  try {
    answer = await fetch(request, { cache: 'no-cache', signal: AbortSignal.timeout(longestWait) });
    if (stored === undefined) return answer.ok ? isolated(answer) : answer;
    if (!answer.ok || (await isPlayground(answer))) return isolated(stored);
  } catch (error) {
    if (stored === undefined) throw error;
    return isolated(stored); // without a network, or with a slow one
  }
  await globalThis.registration.unregister();
  for (const name of await ownCaches()) await caches.delete(name);
  return answer;
}

async function respondWithFile(request) {
  const cache = await caches.open(cacheName);
  const stored = await cache.match(request, { ignoreSearch: true });
  if (stored !== undefined) return isolated(stored);
  const response = await fetch(request);
  // The storage may be full; then it is fetched again the next time.
  if (response.ok && response.type === 'basic') await cache.put(request, response.clone()).catch(() => {});
  return isolated(response);
}

/** A file of an earlier version, which is no longer at the address perhaps. */
async function respondWithEarlierFile(request) {
  for (const name of await ownCaches()) {
    const stored = await (await caches.open(name)).match(request, { ignoreSearch: true });
    if (stored !== undefined) return isolated(stored);
  }
  return fetch(request);
}

const pathOf = (file) => new URL(file, globalThis.location.href).pathname;
const pages = new Set(['./', './index.html'].map(pathOf));
const others = new Set([...files, ...laterFiles].map(pathOf));

globalThis.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== globalThis.location.origin || !pathname.startsWith(scope)) return;
  if (pages.has(pathname)) event.respondWith(respondWithPage(request));
  else if (others.has(pathname)) event.respondWith(respondWithFile(request));
  else event.respondWith(respondWithEarlierFile(request));
});
