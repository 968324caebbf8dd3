import { describe, expect, it } from 'vitest';
import { metricsRecord } from '../testing/metrics.js';
import { renderDashboard } from './render.js';
import { initialDashboardState, withRecord, type DashboardState } from './dashboard-state.js';

const started = {
  out: 'runs/digits',
  model: 'UNet2DModel',
  parameters: 1_234_567,
  engine: 'onnx',
  data: 'mnist',
  images: 60_000,
  shape: [28, 28, 1],
  batchSize: 4,
  step: 0,
  totalSteps: 100,
  budgets: { seconds: null, steps: null, images: null },
};

/** After steps 1, 2, ... whose loss is 1 / step, at 10 images a second. */
function after(steps: number, changes: Partial<DashboardState> = {}): DashboardState {
  let state: DashboardState = {
    ...initialDashboardState,
    started: { ...started, totalSteps: Math.max(100, steps) },
  };
  for (let step = 1; step <= steps; step++) state = withRecord(state, metricsRecord(step));
  return { ...state, ...changes };
}

describe('the dashboard', () => {
  it('shows progress, loss and its course, quarters, optimizer, speed, and the newest files', () => {
    const state = after(4, {
      checkpoint: { step: 3, path: 'runs/digits/checkpoints/step-000003' },
      sample: { step: 2, path: 'runs/digits/samples/step-000002.png' },
    });
    // 96 steps of 4 images at 10 images/s: 38.4 s.
    expect(renderDashboard(state, 101, 24).split('\n')).toEqual([
      expect.stringMatching(/^UNet2DModel, 1,234,567 .*onnx.*runs\/digits$/),
      `step 4/100  4%  ${'█'.repeat(3)}${'─'.repeat(81)}`,
      'loss        0.2500  █▃▁▁',
      '  by quarter 0.5000  -  0.2500  0.1000  (of t, clean to noisy)',
      'optimizer   lr 1.00e-3  beta1 0.9000  gradient norm 2.00',
      'speed       10.0 images/s  ETA 38 s  data wait 1.0%  memory 400 MiB peak',
      'checkpoint  step 3: runs/digits/checkpoints/step-000003',
      'samples     step 2: runs/digits/samples/step-000002.png',
    ]);
  });

  it('adds an evaluation and skipped updates where there are any', () => {
    const record = metricsRecord(5, { eval: { KID: 0.01234567 }, skipped: 2 });
    const lines = renderDashboard(withRecord(after(4), record), 100, 24).split('\n');
    expect(lines).toContain('evaluation  KID 0.01235');
    expect(lines).toContainEqual(expect.stringMatching(/^skipped +2 updates/));
  });

  it('shows a placeholder before the first logged step', () => {
    expect(renderDashboard(initialDashboardState, 80, 24)).toBe('');
    const lines = renderDashboard({ ...initialDashboardState, started: { ...started, step: 50 } }, 80, 24).split('\n');
    expect(lines[1]).toMatch(/^step 50\/100\s+50%\s+█+─+$/);
    expect(lines.slice(2)).toEqual([
      expect.stringMatching(/^ {12}waiting /),
      'checkpoint  none yet',
      'samples     none yet',
    ]);
  });

  it.each([
    [200, 50],
    [80, 24],
    [40, 24],
    [20, 24],
    [5, 24],
    [80, 6],
    [80, 2],
  ])('stays within %i columns and %i rows', (columns, rows) => {
    const lines = renderDashboard(after(300), columns, rows).split('\n');
    expect(lines.length).toBeLessThan(rows);
    for (const line of lines) expect(line.length).toBeLessThan(Math.max(columns, 13));
  });

  it('draws the losses that fit: the newest, between their least and greatest', () => {
    const line = renderDashboard(after(300), 50, 24).split('\n')[2]!;
    expect(line).toHaveLength(49);
    expect(line).toMatch(/^loss {8}0\.0033 {2}█[▁-█]+▁$/);
  });
});

it('keeps so many losses as the widest terminal shows', () => {
  expect(after(600).losses).toHaveLength(500);
  expect(after(600).losses.at(-1)).toBe(1 / 600);
});
