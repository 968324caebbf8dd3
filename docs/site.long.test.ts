// The site in .vitepress/dist, which the target `site` builds: that build fails on links to missing pages.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packages } from './.vitepress/packages.mjs';
import { siteLink, sourceOf } from './.vitepress/links.mjs';

const site = join(import.meta.dirname, '.vitepress', 'dist');
const files = readdirSync(site, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'));
const pages = files.filter((path) => path.endsWith('.html') && path !== '404.html');
const read = (path: string) => readFileSync(join(site, path), 'utf8');

describe('the site', () => {
  it('has a page for each document, and README and API reference of each package', () => {
    const documents = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.md') && name !== 'README.md');
    const expected = [
      ...documents.map((name) => name.replace(/\.md$/, '.html')),
      ...packages.flatMap((name) => [`packages/${name}.html`, `api/${name}.html`]),
      'api/index.html',
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
