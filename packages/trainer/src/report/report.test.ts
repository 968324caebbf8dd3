import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeValidation } from '../eval/validation/file.js';
import { makeRun, type MadeRun } from '../testing/run.js';
import { runFolder, samplePath } from '../run/run-folder.js';
import type { PageData } from './browser.js';
import { writeReport } from './report.js';
import { UserError } from '../errors.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-report-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function report(...made: readonly MadeRun[]) {
  const runs = await Promise.all(made.map((run, i) => makeRun(folder, `run${i}`, run)));
  const html = readFileSync(writeReport(runs, join(folder, 'report.html')), 'utf8');
  const json = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)![1]!;
  return { html, runs, shown: (JSON.parse(json) as PageData).runs };
}

describe('the report of a run', () => {
  it('has the log, the planned timesteps of the whole run, and the loss by timestep', async () => {
    const { shown, html } = await report({ steps: [10, 20] });
    const { columns, density, loss } = shown[0]!;
    expect(html).not.toMatch(/Skipped updates|<h2>Difficulty/); // there were none, and nothing was probed
    expect(columns['step']).toEqual([10, 20]);
    expect(columns['loss']).toEqual([0.1, 0.05]);
    expect(columns['quarter2']).toEqual([null, null]);
    expect(density.steps).toHaveLength(61);
    expect([density.steps[0], density.steps.at(-1), density.timesteps.at(-1)]).toEqual([0, 100, 1000]);
    // CLTS: uniform at the start; at the end .2 uniform is left far from the Gaussian at t = 300.
    expect(new Set(density.values[0])).toEqual(new Set([1]));
    expect(density.values.at(-1)!.at(-1)!).toBeLessThan(0.25);
    expect(density.values.at(-1)![15]!).toBeGreaterThan(1.5);
    expect(loss.steps).toEqual([0, 10, 20]);
    expect(loss.values[0]!.slice(0, 5)).toEqual([2, 1.9, 1.8, null, 1.6]);
  });

  it('has what the probe measured, at the time of its steps, and how long each range of noise took', async () => {
    const { shown, html } = await report({ steps: [10, 20], probed: [0, 5, 10, 15, 20] });
    const { columns, buckets } = shown[0]!.probe!;
    expect(columns['step']).toEqual([0, 5, 10, 15, 20]);
    expect(columns['images']).toEqual([0, 5, 10, 15, 20].map((step) => 32 * step));
    // The log has step 10 at 10 s and step 20 at 20 s.
    expect(columns['minutes']).toEqual([0, 0.083333, 0.16667, 0.25, 0.33333]);
    expect(columns['loss2']).toEqual([9, 1.4, 1.2, 1.1333, 1.1]);
    expect(columns['gradNorm3']).toEqual([null, 3, 3, 3, 3]); // JSON's null, a NaN
    // Losses 9, 1.2, 1.1, 1.067, 1.05; the means of three around steps 5 and 10 are 3.767 and 1.122, the ends stay. A tenth
    // of the way is left at 1.845, by linear interpolation at step 5 + 5 (3.767 - 1.845) / (3.767 - 1.122).
    expect(buckets[0]).toEqual({ from: 0, to: 300, learnedBy: expect.closeTo(8.633, 2) as number });
    expect(html).toMatch(/\b4 images.*\(path left out\)/);
    expect(html).toMatch(/<th>0–299<\/th><td>9<\/td>/);
  });

  it('has every validation loss of a long log', async () => {
    const { shown, html } = await report({
      steps: Array.from({ length: 2000 }, (_, i) => i + 1),
      change: (step) => (step % 25 === 0 ? { validation: { geometricMean: 1 / step, buckets: [2 / step, null] } } : {}),
    });
    const { columns } = shown[0]!;
    expect(columns['step']).toHaveLength(1000);
    for (const [name, last] of Object.entries({ validation: 1 / 2000, validation1: 2 / 2000 })) {
      const measured = columns[name]!.filter((value) => value !== null);
      expect(measured).toHaveLength(80);
      expect(measured.at(-1)).toBe(last);
    }
    const table = /<table id="facts">.*?<\/table>/s.exec(html)![0];
    expect(table).toMatch(/>validation loss<.*<td>0\.000500</s);
  });

  it('is written for a run whose validation loss became NaN', async () => {
    const run = await makeRun(folder, 'run', {
      steps: [10, 20],
      change: (step) => ({
        validation: { geometricMean: step === 20 ? NaN : 0.5, buckets: [step === 20 ? NaN : 0.5] },
      }),
    });
    const setting = { buckets: [{ from: -5, to: 5 }], data: 'bars', images: 4, draws: 1 };
    writeValidation(run.validation, { setting, bounds: null });
    const html = readFileSync(writeReport([run], join(folder, 'report.html')), 'utf8');
    expect(html).toMatch(/>validation loss<.*<td>NaN</s);
    expect(html).toMatch(/>geometric mean<\/th><td>NaN</);
    expect(html).toContain('"validation":[0.5,null]');
  });

  it('counts skipped updates where there were any', async () => {
    const { shown, html } = await report({ steps: [10, 20, 30], change: (step) => (step > 10 ? { skipped: 3 } : {}) });
    expect(shown[0]!.columns['skipped']).toEqual([0, 3, 3]);
    expect(html).toContain('<h2>Skipped updates</h2>');
    expect(html).toMatch(/<th>skipped updates<\/th>.*<td>3<\/td>/s);
  });

  it('shows what was drawn where the schedule learns from losses', async () => {
    const { shown } = await report({ config: { curriculum: { type: 'lossSecondMoment' } }, steps: [10] });
    const { density } = shown[0]!;
    expect(density.steps).toEqual([0, 10]);
    const draws = Array.from({ length: 20 }, (_, i) => (i === 3 ? 0 : 1 + (i % 3)));
    const total = draws.reduce((sum, n) => sum + n, 0);
    draws.forEach((n, i) => expect(density.values[0]![i]).toBeCloseTo((20 * n) / total, 3));
  });

  it('reads logs that have quarters alone', async () => {
    const change = () => ({ lossByLevel: undefined, drawsByLevel: undefined }) as never;
    const { shown } = await report({ steps: [10, 20], change });
    expect(shown[0]!.loss).toMatchObject({
      steps: [0, 10, 20],
      timesteps: [0, 250, 500, 750, 1000],
      values: [
        [0.5, null, 0.25, 0.1],
        [0.5, null, 0.25, 0.1],
      ],
    });
  });

  it('has at most twelve grids, the first and the last among them', async () => {
    const { shown, runs } = await report({ steps: [10], samples: Array.from({ length: 30 }, (_, i) => i + 1) });
    const { grids } = shown[0]!;
    expect(grids).toHaveLength(12);
    expect(grids[0]!.step).toBe(1);
    expect(grids.at(-1)).toEqual({
      step: 30,
      dataUri: `data:image/png;base64,${readFileSync(samplePath(runs[0]!, 30)).toString('base64')}`,
    });
  });

  it('loads nothing from anywhere, and text in it stays text', async () => {
    const { html, runs } = await report({ config: { data: '</script><b>' }, steps: [10] });
    expect(html).not.toMatch(/(src|href)\s*=\s*["']?(https?:|\/\/)/i);
    expect(html).not.toMatch(/@import|url\(\s*["']?(https?:|\/\/)|\bfetch\(|XMLHttpRequest|import\(/);
    const path = writeReport(runs, join(folder, 'paths.html'), { includePaths: true });
    for (const page of [html, readFileSync(path, 'utf8')]) expect(page).not.toContain('</script><b>');
    expect(readFileSync(path, 'utf8')).toContain('&lt;/script&gt;&lt;b&gt;');
    // uPlot itself is in it.
    expect(html).toContain('var uPlot=function');
  });

  it('has a policy that allows its own scripts and styles, images in the page, and nothing else', async () => {
    const { html } = await report({ steps: [10], samples: [10] });
    const policy = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(html)![1]!;
    const directives = Object.fromEntries(
      policy.split('; ').map((one) => [one.split(' ')[0], one.split(' ').slice(1)]),
    );
    const hashes = (texts: readonly string[]) =>
      texts.map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`);
    const inside = (tag: string) =>
      [...html.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))].map(([, text]) => text!);
    expect(directives).toEqual({
      'default-src': ["'none'"],
      'script-src': hashes(inside('script')),
      'style-src': hashes(inside('style')),
      'img-src': ['data:'],
      'base-uri': ["'none'"],
      'form-action': ["'none'"],
    });
    expect(inside('script')).toHaveLength(2);
    // What a policy without 'unsafe-inline' would not let through.
    const outside = html.replaceAll(/<(script|style)[^>]*>.*?<\/\1>/gs, '');
    expect(outside).not.toMatch(/<[^>]*\s(on\w+|style)\s*=|javascript:/i);
    expect(html.indexOf('Content-Security-Policy')).toBeLessThan(html.indexOf('<style'));
  });

  it('names no path, unless it is asked to', async () => {
    const secret = { data: '/home/alice/patients.npz', initFrom: '../secret-run', out: '/home/alice/run' };
    const weights = { extractor: { type: 'classifier' as const, weights: 'weights-of-alice.safetensors' } };
    const { html, runs } = await report({
      config: { ...secret, evaluation: weights, recorded: { engine: { info: { library: '/opt/alice/lib.so' } } } },
      steps: [10],
    });
    expect(html).not.toMatch(/alice|patients|secret-run/);
    expect(html).toContain('(path left out)');
    const named = writeReport(runs, join(folder, 'paths.html'), { includePaths: true });
    expect(readFileSync(named, 'utf8')).toMatch(/\/home\/alice\/patients\.npz.*secret-run/s);
    expect((await report({ config: { data: 'emoji' }, steps: [10] })).html).toContain('<td>emoji</td>');
  });

  it('is refused for a folder without a run', () => {
    expect(() => writeReport([runFolder('nowhere')], join(folder, 'x.html'))).toThrowWith({
      type: UserError,
      code: 'RUN_NOT_FOUND',
      contains: 'nowhere',
    });
  });
});

it('compares the configurations of several runs, those fields first in which they differ', async () => {
  const { html, shown } = await report(
    { steps: [10], config: { seed: 1 } },
    { steps: [20], config: { seed: 2, optimizer: { lr: 0.5 } } },
  );
  expect(shown.map((run) => run.columns['step'])).toEqual([[10], [20]]);
  const rows = [...html.matchAll(/<tr class="(differs|same)"><th>(.*?)<\/th><td>(.*?)<\/td><td>(.*?)<\/td><\/tr>/g)];
  expect(rows.filter((row) => row[1] === 'differs').map((row) => row.slice(2))).toEqual([
    ['optimizer.lr', '0.004', '0.5'],
    ['seed', '1', '2'],
  ]);
  expect(rows.slice(0, 2).every((row) => row[1] === 'differs')).toBe(true);
  expect(rows.length).toBeGreaterThan(30);
});
