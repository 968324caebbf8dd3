import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { metricsRecord } from '../testing/metrics.js';
import { createDashboard } from './dashboard.js';

const started = {
  out: 'runs/digits',
  model: 'UNet2DModel',
  parameters: 10,
  engine: 'tfjs-cpu',
  data: 'mnist',
  images: 60_000,
  shape: [28, 28, 1],
  batchSize: 4,
  step: 0,
  totalSteps: 10,
  budgets: { seconds: null, steps: null, images: null },
};

/** A terminal of 80 columns that keeps what is written to it. */
function fakeTerminal() {
  let text = '';
  const write = (part: string) => {
    text += part;
    return true;
  };
  const stream = Object.assign(new EventEmitter(), { isTTY: true, columns: 80, rows: 24, write });
  return { stream: stream as unknown as NodeJS.WriteStream, written: () => text };
}

it('draws in place, lets notes scroll away above, and draws nothing once it is over', () => {
  const { stream, written } = fakeTerminal();
  const { hooks, note, end } = createDashboard(stream);
  hooks.onStart!(started);
  expect(written()).toContain('step 0/10');
  hooks.onLog!(metricsRecord(1), 10);
  hooks.onCheckpoint!({ step: 1, path: 'step-000001' });
  const before = written().length;
  note('an update was skipped');
  const noted = written().slice(before);
  // What was drawn is wiped away, the note stays, and all of it is drawn again below.
  expect(noted.indexOf('\u001B[2K')).toBeGreaterThanOrEqual(0);
  expect(noted.indexOf('\u001B[2K')).toBeLessThan(noted.indexOf('an update was skipped\n'));
  expect(noted.indexOf('step 1/10')).toBeGreaterThan(noted.indexOf('an update was skipped\n'));
  expect(noted).toContain('checkpoint  step 1: step-000001');
  end();
  end();
  // Nothing is drawn any more, but what must be said is.
  const over = written().length;
  hooks.onLog!(metricsRecord(2), 10);
  note('bye');
  expect(written().slice(over)).toContain('bye\n');
  expect(written().slice(over)).not.toContain('step 2/10');
  expect(stream.listenerCount('resize')).toBe(0);
});
