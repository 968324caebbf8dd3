import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { inPhase } from '../setup/phases.js';
import { createScreen } from './output.js';
import { createPhaseView } from './phase-view.js';
import { createProgress } from './progress.js';
import { createProgressBar } from './progress-bar.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function fakeStream(isTTY: boolean) {
  const written: string[] = [];
  return { stream: { isTTY, columns: 80, write: (text: string) => void written.push(text) }, written };
}

it('prints a phase when it begins, during long silence, and its duration if it was long', () => {
  const { stream, written } = fakeStream(false);
  const { onPhase } = createPhaseView(createScreen(stream));
  onPhase({ name: 'compiling training step' });
  expect(written).toEqual(['compiling training step ...\n']);
  vi.advanceTimersByTime(19_000);
  expect(written).toHaveLength(1);
  vi.advanceTimersByTime(22_000);
  expect(written.slice(1)).toEqual(['compiling training step ...  20 s\n', 'compiling training step ...  40 s\n']);
  onPhase({ name: 'compiling training step', seconds: 41 });
  expect(written.at(-1)).toBe('compiling training step: 41 s\n');
  const { length } = written;
  onPhase({ name: 'short' });
  onPhase({ name: 'short', seconds: 0.1 });
  vi.advanceTimersByTime(60_000);
  expect(written.slice(length)).toEqual(['short ...\n']);
});

it('counts the seconds of the innermost phase on a terminal, then clears the line', () => {
  const { stream, written } = fakeStream(true);
  const { onPhase } = createPhaseView(createScreen(stream));
  onPhase({ name: 'first step' });
  onPhase({ name: 'compiling training step' });
  vi.advanceTimersByTime(3000);
  expect(written.at(-1)).toContain('compiling training step ...  3 s');
  onPhase({ name: 'compiling training step', seconds: 3 });
  vi.advanceTimersByTime(1000);
  expect(written.at(-1)).toContain('first step ...  4 s');
  onPhase({ name: 'first step', seconds: 4 });
  expect(written.at(-1)).toBe('\r\u001B[K');
});

it('does not keep a process alive, and stops', () => {
  const view = createPhaseView(createScreen(fakeStream(false).stream));
  view.onPhase({ name: 'a' });
  expect(vi.getTimerCount()).toBe(1);
  view.end();
  expect(vi.getTimerCount()).toBe(0);
});

it('shows training steps before the first log line: each on a terminal, elsewhere after 20 s of silence', () => {
  const [terminal, file] = [fakeStream(true), fakeStream(false)];
  const [live, lines] = [createProgress(terminal.stream), createProgress(file.stream)];
  for (let step = 1; step <= 5; step++) {
    vi.advanceTimersByTime(9000);
    live.tick(step, 0.5, 1000);
    lines.tick(step, 0.5, 1000);
  }
  expect(terminal.written).toHaveLength(5);
  expect(file.written).toHaveLength(1);
  expect(file.written[0]).toMatch(/^step +3\/1000 .*0\.5000\n$/);
});

it('counts images without a terminal at most every 20 s', () => {
  const { stream, written } = fakeStream(false);
  const bar = createProgressBar(stream);
  bar.onPhase({ name: 'photos' });
  for (let done = 1; done <= 50; done++) {
    vi.advanceTimersByTime(1000);
    bar('photos', done, 100);
  }
  bar.onPhase({ name: 'photos', seconds: 50 });
  bar.end();
  const counted = written.filter((line) => line.includes('/100'));
  expect(counted.length).toBeGreaterThanOrEqual(2);
  expect(counted.length).toBeLessThanOrEqual(5);
});

it('a phase ends also if its work fails', async () => {
  const seen: unknown[] = [];
  const failing = inPhase(
    (phase) => void seen.push(phase),
    'a',
    () => Promise.reject(new Error('no')),
  );
  await expect(failing).rejects.toThrow('no');
  expect(seen).toEqual([{ name: 'a' }, { name: 'a', seconds: expect.any(Number) as number }]);
});
