// `dm report`, and its page in a real browser: needs Chromium, in DM_CHROMIUM or on the PATH.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dm, dmJson } from '../testing/command.js';
import { makeRun } from '../testing/run.js';

const names = ['chromium', 'chromium-browser', 'google-chrome'];
const folders = (process.env['PATH'] ?? '').split(delimiter);
const executablePath =
  process.env['DM_CHROMIUM'] ?? names.flatMap((name) => folders.map((f) => join(f, name))).find((p) => existsSync(p));
const needs = executablePath === undefined ? ': SKIPPED, set DM_CHROMIUM to a Chromium' : '';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dm-report-'));
  const steps = Array.from({ length: 20 }, (_, i) => 5 * (i + 1));
  const change = (step: number) => (step % 50 === 0 ? { eval: { 'KD-pixels': 1 / step }, skipped: 1 } : {});
  await makeRun(folder, 'a', { steps, samples: [50, 100], probed: [0, 50, 100], change });
  await makeRun(folder, 'b', { steps, samples: [100], config: { seed: 7 } });
  // A run that has only begun.
  await makeRun(folder, 'c', { steps: [], config: { curriculum: { type: 'lossSecondMoment' } } });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('dm report', () => {
  it('writes a page into the folder of a run, compares several, and writes logs as CSV', async () => {
    expect(await dm(['report', 'a'], folder)).toMatchObject({
      code: 0,
      signal: null,
      stdout: 'report: a/report.html\n',
      stderr: '',
    });
    const compared = await dm(['report', 'a', 'b', 'c', '--out', 'x.html', '--json'], folder);
    expect(compared).toMatchObject({ code: 0, stdout: '{"event":"report","path":"x.html"}\n', stderr: '' });
    expect(await dm(['report', 'a', 'b', '--csv'], folder)).toMatchObject({
      code: 0,
      stdout: 'log: a/metrics.csv\nlog: b/metrics.csv\n',
    });
    expect(readFileSync(join(folder, 'b/metrics.csv'), 'utf8').split('\n')).toHaveLength(22);
    await expect(dmJson(['report', 'a', 'nowhere'], folder)).rejects.toThrowWith({
      code: 'RUN_NOT_FOUND',
      contains: 'nowhere',
    });
  });
});

describe('dm report --experiments', () => {
  it('writes one page about all of them, and refuses runs beside it', async () => {
    const home = join(folder, 'experiments/a');
    mkdirSync(home, { recursive: true });
    mkdirSync(join(folder, 'docs'));
    writeFileSync(join(home, 'project.json'), '{"targets":{"experiment":{}}}');
    expect(await dm(['report', '--experiments'], folder)).toMatchObject({
      code: 0,
      stdout: 'report: docs/experiments.md\nwithout results: a\n',
      stderr: '',
    });
    expect(readFileSync(join(folder, 'docs/experiments.md'), 'utf8')).toMatch(/^\| a \|.*no results/m);
    const json = await dm(['report', '--experiments', 'experiments', '--out', 'x.md', '--json'], folder);
    expect(JSON.parse(json.stdout)).toEqual({
      event: 'report',
      path: 'x.md',
      experiments: [{ name: 'a', results: [] }],
    });
    await expect(dmJson(['report', 'a', '--experiments'], folder)).rejects.toThrowWith({
      code: 'OPTION_INVALID',
      contains: ['--experiments', ': a.'],
    });
    await expect(dmJson(['report'], folder)).rejects.toThrowWith({
      code: 'OPTION_INVALID',
      contains: '--experiments',
    });
  });
});

describe.skipIf(executablePath === undefined)(`its page in Chromium${needs}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: executablePath!,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
  });
  afterAll(() => browser?.close());

  /** Opens a report; `complaints` fills with what the browser says, `requests` with what it loads besides the file. */
  async function open(runs: readonly string[], colorScheme: 'light' | 'dark' = 'light') {
    expect(await dm(['report', ...runs, '--out', 'page.html'], folder)).toMatchObject({ code: 0 });
    const page = await browser.newPage({ colorScheme, viewport: { width: 1000, height: 800 } });
    const complaints: string[] = [];
    const requests: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => requests.push(request.url()));
    const url = pathToFileURL(join(folder, 'page.html')).href;
    await page.goto(url);
    return { page, complaints, others: () => requests.filter((r) => r !== url && !r.startsWith('data:')) };
  }

  /** How many colors a canvas has. */
  const colors = (page: Page, selector: string) =>
    page
      .locator(`${selector} canvas`)
      .first()
      .evaluate((element) => {
        const canvas = element as unknown as {
          width: number;
          height: number;
          getContext(kind: '2d'): {
            getImageData(x: number, y: number, w: number, h: number): { data: { buffer: ArrayBuffer } };
          };
        };
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;
      });

  it('draws a run; sliders and keys work; nothing else is loaded', async () => {
    const { page, complaints, others } = await open(['a']);
    // Loss, its quarters, the probe (2), one evaluation, rates (2), gradient norm, skips, speed (2); and two maps.
    expect(await page.locator('.chart .uplot').count()).toBe(11);
    // Three ranges of noise, each by its name.
    const ranges = page.locator('.chart[data-columns="loss1|loss2|loss3"] .u-legend .u-label');
    expect(await ranges.allTextContents()).toEqual(['step', '0–299', '300–599', '600–899']);
    expect(await page.locator('.map .uplot').count()).toBe(2);
    expect(await colors(page, '[data-map="density"]')).toBeGreaterThan(100);
    expect(await colors(page, '[data-map="loss"]')).toBeGreaterThan(15);

    const shown = () => page.locator('#grid-0').getAttribute('src');
    const newest = await shown();
    await page.locator('#moment').press('ArrowLeft');
    expect(await page.locator('#moment-step').textContent()).toBe('50');
    expect(await shown()).not.toBe(newest);

    // The last point: step 100, loss 0.01, smoothed with the default share.
    const loss = page.locator('.chart[data-columns="loss"]');
    await loss.press('End');
    expect(await loss.locator('.u-legend .u-value').first().textContent()).toBe('100');
    const smoothed = Number(await loss.locator('.u-legend .u-value').last().textContent());
    expect(smoothed).toBeGreaterThan(0.011);
    await page.locator('#smoothing').fill('0');
    await loss.press('Home');
    await loss.press('End');
    expect(await loss.locator('.u-legend .u-value').last().textContent()).toBe('0.01');

    await page.locator('#log').check();
    await page.getByLabel('images', { exact: true }).check();
    await loss.press('End');
    expect(await loss.locator('.u-legend .u-value').first().textContent()).toBe('400');
    await page.locator('[data-map="density"] .u-over').hover();
    expect(await page.locator('[data-map="density"] + .readout').textContent()).toMatch(/^steps .* times uniform$/);
    expect(complaints).toEqual([]);
    expect(others()).toEqual([]);
  });

  it('compares three runs, one of them not begun, in the dark and in a narrow window', async () => {
    const { page, complaints, others } = await open(['a', 'b', 'c'], 'dark');
    expect(await page.locator('.chart .uplot').count()).toBe(13); // a chart a quarter, of which one has no loss
    expect(await page.locator('.map .uplot').count()).toBe(4); // nothing was drawn in c
    expect(await page.locator('.grids figure').allTextContents()).toEqual(['a', 'b', 'cNo samples yet.']);
    await page.locator('#only-differences').check();
    const rows = page.locator('table.fields').first().locator('tbody tr:visible th');
    expect(await rows.allTextContents()).toEqual(['curriculum.type', 'curriculum.coordinateDefaults', 'seed']);
    await page.setViewportSize({ width: 420, height: 800 });
    // The charts follow when the window tells them.
    await expect.poll(() => page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(420);
    expect(complaints).toEqual([]);
    expect(others()).toEqual([]);
  });
});
