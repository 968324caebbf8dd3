// Pictures of a training in the built playground, for docs/playground.md: `node progress.mjs <folder>`. Needs Chromium.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { chromium } from 'playwright-core';
import sharp from 'sharp';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('Use: node progress.mjs <folder>');
const steps = [0, 20, 200, 700];
const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

const server = createServer((request, response) => {
  const path = new URL(request.url ?? '/', 'http://x').pathname;
  readFile(join(import.meta.dirname, 'dist', path === '/' ? 'index.html' : path)).then(
    (bytes) => {
      const type = types[/** @type {keyof typeof types} */ (extname(path) || '.html')] ?? 'application/octet-stream';
      const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
      response.writeHead(200, { 'Content-Type': type, ...isolation }).end(bytes);
    },
    () => response.writeHead(404).end(),
  );
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
const address = server.address();
if (address === null || typeof address === 'string') throw new Error('no port');

const executablePath = process.env['DM_CHROMIUM'] ?? '/usr/bin/chromium';
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const page = await browser.newPage({ colorScheme: 'light' });
const began = performance.now();
await page.goto(`http://127.0.0.1:${address.port}/#steps=3000`);
for (const wanted of steps) {
  const drawn = await page.waitForFunction(
    `Number(document.body.dataset.pictures) >= ${wanted} && document.body.dataset.pictures`,
    undefined,
    { timeout: 900_000 },
  );
  const seconds = Math.round((performance.now() - began) / 1000);
  const url = await page.evaluate(`document.getElementById('pictures-0').toDataURL()`);
  const png = Buffer.from(String(url).split(',')[1] ?? '', 'base64');
  const small = await sharp(png)
    .resize({ width: 240, kernel: 'nearest' })
    .png({ palette: true, colours: 16 })
    .toBuffer();
  writeFileSync(join(folder, `playground-${wanted}.png`), small);
  console.log(`step ${await drawn.jsonValue()}: ${seconds} s, ${small.length} bytes`);
}
await browser.close();
server.close();
