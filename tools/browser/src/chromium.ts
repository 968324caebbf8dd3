/** Chromium, and a server of a built page. */
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { delimiter, extname, join, normalize } from 'node:path';
import { readRegularFileAsync } from '@dm/files';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome'];
const folders = (process.env['PATH'] ?? '').split(delimiter);

/** Path of the browser, if one is installed. */
const executablePath =
  process.env['DM_CHROMIUM'] ?? names.flatMap((name) => folders.map((f) => join(f, name))).find((p) => existsSync(p));

/**
 * Whether tests run; false without a browser if `npm run test:all` asked to skip them.
 * @throws {Error} without a browser, if not asked to skip
 */
export function hasChromium(): boolean {
  if (executablePath !== undefined) return true;
  const text = 'Chromium was not found: install it (apt-get install chromium), or set DM_CHROMIUM to its path.';
  if (process.env['DM_BROWSER'] !== 'optional') throw new Error(text);
  // oxlint-disable-next-line no-console
  console.warn(`SKIPPED: ${text}`);
  return false;
}

/** Starts Chromium with WebGPU on a software device. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: executablePath!,
    args: [
      '--no-sandbox',
      '--enable-unsafe-webgpu',
      '--use-webgpu-adapter=swiftshader',
      '--enable-features=Vulkan',
      '--use-vulkan=swiftshader',
      '--disable-vulkan-surface',
    ],
  });
}

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
};

/** Serves a folder, with the headers of cross-origin isolation if `isolated`, and `headers`. */
export async function serveFolder(
  folder: string,
  isolated: boolean,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://x').pathname);
    const file = join(folder, path === '/' ? 'index.html' : path);
    readRegularFileAsync(file, { maxBytes: 2 ** 26 }).then(
      (bytes) => {
        response.writeHead(200, {
          'Content-Type': types[extname(file)] ?? 'application/octet-stream',
          ...(isolated && {
            'Cross-Origin-Opener-Policy': 'same-origin',
            'Cross-Origin-Embedder-Policy': 'require-corp',
          }),
          ...headers,
        });
        response.end(bytes);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { url: `http://127.0.0.1:${address.port}/`, server };
}

/** A page, and what it has printed or thrown. */
export interface OpenedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly messages: readonly string[];
}

export async function openPage(browser: Browser, url: string): Promise<OpenedPage> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const messages: string[] = [];
  page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => messages.push(`thrown: ${error.message}`));
  page.on('requestfailed', (request) => messages.push(`failed: ${request.url()}`));
  await page.goto(url);
  return { page, context, messages };
}
