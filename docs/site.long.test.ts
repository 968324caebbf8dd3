// The site in .vitepress/dist, which the target `site` builds: that build fails on links to missing pages.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Server } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launch, openPage, serveFolder } from '../tools/browser/src/chromium.js';
import { packages } from './.vitepress/packages.mjs';
import { siteLink, sourceOf } from './.vitepress/links.mjs';

const site = join(import.meta.dirname, '.vitepress', 'dist');
const files = readdirSync(site, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'));
const pages = files.filter(
  (path) => path.endsWith('.html') && path !== '404.html' && !path.startsWith('playground-app/'),
);
const read = (path: string) => readFileSync(join(site, path), 'utf8');

describe('the site', () => {
  it('has a page for each document, and README and API reference of each package', () => {
    const documents = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.md') && name !== 'README.md');
    const expected = [
      ...documents.map((name) => name.replace(/\.md$/, '.html')),
      ...packages.flatMap((name) => [`packages/${name}.html`, `api/${name}.html`]),
      'api/index.html',
      'api/command-line.html',
    ];
    expect(pages.toSorted()).toEqual(expected.toSorted());
  });

  it('has all packages', () => {
    const folders = readdirSync(join(import.meta.dirname, '..', 'packages'));
    expect([...packages].toSorted()).toEqual(folders.filter((name) => !name.startsWith('onnxruntime-')));
  });

  it('documents exported functions in the API reference', () => {
    expect(read('api/curriculum.html')).toContain('createTimestepSchedule');
    expect(read('api/trainer.html')).toContain('generateSamples');
  });

  it('has the options of all commands', () => {
    const page = read('api/command-line.html');
    const titles = [...page.matchAll(/<h[1-3] id="[^"]*"[^>]*>([^<]*) </g)].map(([, title]) => title);
    expect(titles).toEqual(expect.arrayContaining(['dm train', 'dm sample', 'dm eval consistency', 'dm doctor']));
    expect(page).toContain('--steps-offset');
  });

  it('shows the types of errors, which TypeDoc ignores', () => {
    expect(read('api/files.html')).toMatch(/<code>FileError<\/code> if /);
  });

  it('has every anchor that a page links to', () => {
    const missing = pages.flatMap((page) =>
      [...read(page).matchAll(/href="(\/[^"#]*)?#([^"]+)"/g)].flatMap(([, path, anchor = '']) => {
        const target = path === undefined ? page : path.slice(1).replace(/^$|\/$/, '$&index.html');
        // API pages link to members by generated names.
        if (page.startsWith('api/') || !pages.includes(target)) return [];
        return read(target).includes(`id="${decodeURIComponent(anchor)}"`) ? [] : [`${page}: ${path ?? ''}#${anchor}`];
      }),
    );
    expect(missing).toEqual([]);
  });

  it('is searched without a server', () => {
    expect(files.some((path) => path.includes('localSearchIndex'))).toBe(true);
  });

  it('loads nothing from another host', () => {
    const sources = pages.flatMap((page) =>
      [...read(page).matchAll(/<(?:script|link|img)[^>]*?(?:src|href)="(https?:[^"]+)"/g)].map(([, url]) => url),
    );
    expect(sources).toEqual([]);
  });
});

describe('formulas', () => {
  const concepts = ['noise-schedules', 'clts', 'momentum-decay', 'consistency'];

  it.each(concepts)('%s: all are rendered', (page) => {
    const html = read(`${page}.html`);
    expect(html).toContain('class="katex"');
    expect(html).not.toContain('katex-error');
    const text = html.replaceAll(/<(script|annotation)[^>]*>.*?<\/\1>/gs, '').replaceAll(/<[^>]*>/g, '');
    expect(text).not.toMatch(/\$|\\frac/);
  });

  it('use fonts of the site', () => {
    expect(files.some((path) => /KaTeX_Main-Regular.*woff2$/.test(path))).toBe(true);
    const css = files.filter((path) => path.endsWith('.css')).map(read);
    expect(css.flatMap((text) => text.match(/url\(["']?https?:[^)]*/g) ?? [])).toEqual([]);
  });
});

describe.skipIf(!hasChromium())('in Chromium', () => {
  let browser: Browser;
  let server: Server;
  let url: string;
  beforeAll(async () => {
    browser = await launch();
    ({ url, server } = await serveFolder(site, false));
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  /** Opens a page at the width of a phone, and passes it on; requests to other hosts and console messages are errors. */
  async function visit(path: string, look: (page: Page) => Promise<void>): Promise<void> {
    const { page, context, messages } = await openPage(browser, 'about:blank');
    const foreign: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !/^(data|blob|about):/.test(request.url())) foreign.push(request.url());
    });
    try {
      await page.emulateMedia({ reducedMotion: 'reduce' });
      await page.setViewportSize({ width: 390, height: 800 });
      await page.goto(new URL(path, url).href);
      await look(page);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
      expect([foreign, messages]).toEqual([[], []]);
    } finally {
      await context.close();
    }
  }

  it.each([
    ['noise-schedules', 'noise-schedules'],
    ['noise-schedules', 'forward'],
    ['clts', 'clts'],
    ['momentum-decay', 'momentum'],
  ])('%s: the figure %s follows the keyboard', async (path, name) => {
    await visit(`${path}.html`, async (page) => {
      const figure = page.locator(`[data-figure="${name}"]`);
      await figure.waitFor();
      const before = await figure.locator('figcaption').textContent();
      await figure.locator('input').focus();
      for (let i = 0; i < 20; i++) await page.keyboard.press('ArrowRight');
      expect(await figure.locator('figcaption').textContent()).not.toBe(before);
      expect(await figure.locator('polyline, canvas').count()).toBeGreaterThan(0);
    });
  });

  // oxlint-disable-next-line vitest/expect-expect -- in `visit`; it waits for the picture
  it('the playground of the site draws its first picture', async () => {
    await visit('playground.html', async (page) => {
      const href = await page.locator('a.dm-playground').getAttribute('href');
      // Prefetched pages; leaving would cancel them.
      await page.waitForLoadState('networkidle');
      await page.goto(`${new URL(href!, url).href}#batch=4&steps=200`);
      await page.waitForFunction(`document.body.dataset.pictures === '0'`, undefined, { timeout: 120_000 });
    });
  });
});

describe('siteLink', () => {
  it.each([
    ['python.md', 'docs/paper.md', '/python'],
    ['../packages/core/README.md#samplers', 'docs/index.md', '/packages/core#samplers'],
    ['packages/core', 'README.md', '/packages/core'],
    ['../../docs/engine.md#devices', 'packages/jit/README.md', '/engine#devices'],
    ['../LICENSE', 'docs/index.md', 'https://github.com/dm-diffusion/dm/blob/main/LICENSE'],
    ['#here', 'docs/index.md', '#here'],
    ['https://example.org/a', 'docs/index.md', 'https://example.org/a'],
  ])('%s in %s is %s', (href, source, expected) => {
    expect(siteLink(href, source)).toBe(expected);
  });

  it('knows the source of a copied README', () => {
    expect([sourceOf('packages/core.md'), sourceOf('paper.md')]).toEqual(['packages/core/README.md', 'docs/paper.md']);
  });
});
