// The service worker in a context of its own, with caches and a network that fail on request.
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';

const source = readFileSync(new URL('service-worker.js', import.meta.url), 'utf8');
const origin = 'https://example.org';

type Listener = (event: object) => void;

/** A cache by the paths of its files. */
class FakeCache {
  readonly files = new Map<string, string>();
  isFull = false;

  private pathOf(request: Request | string): string {
    return new URL(typeof request === 'string' ? request : request.url, `${origin}/play/`).pathname;
  }

  async match(request: Request | string): Promise<Response | undefined> {
    const text = this.files.get(this.pathOf(request));
    return text === undefined ? undefined : new Response(text);
  }

  async put(request: Request, response: Response): Promise<void> {
    if (this.isFull) throw new DOMException('no space', 'QuotaExceededError');
    this.files.set(this.pathOf(request), await response.text());
  }

  async addAll(requests: readonly Request[]): Promise<void> {
    for (const request of requests) this.files.set(this.pathOf(request), 'stored');
  }
}

/** The worker of a version at `/play/`, with these caches and files on the server. */
function start(version: string, stored: Map<string, FakeCache>, server: Readonly<Record<string, string>>) {
  const listeners = new Map<string, Listener>();
  const base = `${origin}/play/`;
  const caches = {
    keys: async () => [...stored.keys()],
    open: async (name: string) => {
      const cache = stored.get(name) ?? new FakeCache();
      stored.set(name, cache);
      return cache;
    },
    delete: async (name: string) => stored.delete(name),
  };
  const fetch = async (request: Request): Promise<Response> => {
    const text = server[new URL(request.url).pathname];
    const response = new Response(text ?? 'not found', { status: text === undefined ? 404 : 200 });
    return Object.defineProperty(response, 'type', { value: 'basic' });
  };
  runInNewContext(
    source
      .replace('__VERSION__', version)
      .replace("['__FILES__']", JSON.stringify(['./', `page-${version}.js`]))
      .replace("['__LATER_FILES__']", JSON.stringify(['later.wasm'])),
    {
      addEventListener: (type: string, listener: Listener) => void listeners.set(type, listener),
      skipWaiting: async () => {},
      clients: { claim: async () => {} },
      location: { href: `${base}service-worker.js`, origin },
      caches,
      fetch,
      URL,
      Headers,
      Response,
      Request: class extends Request {
        constructor(path: string, options: RequestInit) {
          super(new URL(path, base), options);
        }
      },
    },
  );
  const dispatch = async (type: string): Promise<void> => {
    let work: unknown;
    listeners.get(type)!({ waitUntil: (promise: unknown) => (work = promise) });
    await work;
  };
  return {
    activate: async () => {
      await dispatch('install');
      await dispatch('activate');
    },
    /** The text and the isolation of an answer; undefined if the browser asks the server itself. */
    get: async (path: string): Promise<readonly [string, string | null] | undefined> => {
      let answer: Promise<Response> | undefined;
      const request = new Request(`${origin}${path}`);
      listeners.get('fetch')!({ request, respondWith: (promise: Promise<Response>) => (answer = promise) });
      const response = await answer;
      return response && [await response.text(), response.headers.get('Cross-Origin-Embedder-Policy')];
    },
  };
}

it('keeps the files of the version before, and what other pages of the host have stored', async () => {
  const stored = new Map<string, FakeCache>([['playground:/other/:1', new FakeCache()]]);
  for (const version of ['1', '2', '3']) await start(version, stored, {}).activate();
  expect([...stored.keys()]).toEqual(['playground:/other/:1', 'playground:/play/:2', 'playground:/play/:3']);

  const worker = start('3', stored, { '/play/new.txt': 'new' });
  expect(await worker.get('/play/page-3.js')).toEqual(['stored', 'require-corp']);
  expect(await worker.get('/play/page-2.js')).toEqual(['stored', 'require-corp']);
  expect(await worker.get('/play/page-1.js')).toEqual(['not found', null]);
  expect(await worker.get('/play/new.txt')).toEqual(['new', null]);
  expect(await worker.get('/other/page-1.js')).toBeUndefined();
});

it('answers with a file that cannot be stored', async () => {
  const stored = new Map<string, FakeCache>();
  const worker = start('1', stored, { '/play/later.wasm': 'wasm' });
  await worker.activate();
  const [cache] = [...stored.values()];
  cache!.isFull = true;
  expect(await worker.get('/play/later.wasm')).toEqual(['wasm', 'require-corp']);
  expect(cache!.files.has('/play/later.wasm')).toBe(false);
  cache!.isFull = false;
  await worker.get('/play/later.wasm');
  expect(cache!.files.has('/play/later.wasm')).toBe(true);
});
