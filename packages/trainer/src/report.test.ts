import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSchedule } from '@dm/curriculum';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { appendMetrics } from './metrics.js';
import { writeReport } from './report.js';
import { resolveConfig } from './resolve.js';
import { createRunFolder, runFolder, samplePath } from './run-folder.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-report-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Shown {
  columns: Record<string, (number | null)[]>;
  densities: { timesteps: number[]; moments: { label: string; values: number[] }[] };
  grids: { step: number; dataUri: string }[];
}

function report(): { html: string; shown: Shown } {
  const run = runFolder(folder);
  createRunFolder(run);
  for (const step of [10, 20]) {
    appendMetrics(run.metrics, {
      step,
      images: step * 4,
      loss: 1 / step,
      lossByQuarter: [0.5, null, 0.25, 0.1],
      gradNorm: 2,
      lr: 1e-3,
      beta1: 0.9,
      emaDecay: 0.99,
      imagesPerSecond: 10,
      dataWait: 0.01,
      peakMb: 400,
      seconds: step,
    });
  }
  for (let step = 1; step <= 30; step++) writeFileSync(samplePath(run, step), `png ${step}`);
  const config = resolveConfig([{ source: 'test', value: { data: '</script><b>', totalSteps: 100 } }]);
  const schedule = createSchedule('clts', { numTimesteps: 1000, totalSteps: 100 });
  const html = readFileSync(writeReport(run, config, schedule, undefined), 'utf8');
  const json = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)![1]!;
  return { html, shown: JSON.parse(json) as Shown };
}

it('shows the log, the timestep density over time and at most twelve grids, the last among them', () => {
  const { shown } = report();
  expect(shown.columns['step']).toEqual([10, 20]);
  expect(shown.columns['loss']).toEqual([0.1, 0.05]);
  expect(shown.columns['loss, quarter 2']).toEqual([null, null]);
  expect(shown.densities.moments.map((m) => m.label)).toEqual(['step 0', 'step 25', 'step 50', 'step 75', 'step 99']);
  // CLTS: uniform at the start; at the end .2 uniform is left far from the Gaussian at t = 300.
  expect(new Set(shown.densities.moments[0]!.values)).toEqual(new Set([1]));
  expect(shown.densities.moments[4]!.values.at(-1)!).toBeLessThan(0.25);
  expect(shown.densities.moments[4]!.values[75]!).toBeGreaterThan(1.5);
  expect(shown.grids).toHaveLength(12);
  expect(shown.grids.at(-1)).toEqual({
    step: 30,
    dataUri: `data:image/png;base64,${Buffer.from('png 30').toString('base64')}`,
  });
});

it('loads nothing from anywhere, and text in it stays text', () => {
  const { html } = report();
  expect(html).not.toMatch(/(src|href)\s*=\s*["']?(https?:|\/\/)/i);
  expect(html).not.toMatch(/@import|url\(\s*["']?(https?:|\/\/)|\bfetch\(|XMLHttpRequest|import\(/);
  expect(html).not.toContain('</script><b>');
  expect(html).toContain('&lt;/script&gt;&lt;b&gt;');
  // uPlot itself is in it.
  expect(html).toContain('var uPlot=function');
});
