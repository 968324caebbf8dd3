/** Progress of a run: one live line on a terminal, otherwise plain lines. */
import type { MetricsRecord } from '../run/metrics.js';
import { createScreen, type TextStream } from './output.js';

export interface Progress {
  /** Shows a logged step. */
  step(record: MetricsRecord, totalSteps: number): void;
  /** Prints a permanent message, such as a checkpoint, samples or a warning. */
  note(text: string): void;
  /** Ends the live line. */
  end(): void;
}

/** Creates a live line on a terminal; otherwise prints one line per record. */
export function createProgress(stream: TextStream): Progress {
  const screen = createScreen(stream);
  return {
    step(record, totalSteps) {
      const line = progressLine(record, totalSteps);
      if (screen.isTerminal) screen.live(line);
      else screen.note(line);
    },
    note: (text) => screen.note(text),
    end: () => screen.end('keep'),
  };
}

/** `step 120/1000  12 %  loss 0.1234  85.1 images/s  ETA 2 min 10 s` */
export function progressLine(record: MetricsRecord, totalSteps: number): string {
  return [
    `step ${String(record.step).padStart(String(totalSteps).length)}/${totalSteps}`,
    `${String(Math.floor((100 * record.step) / totalSteps)).padStart(3)} %`,
    `loss ${record.loss.toFixed(4)}`,
    ...Object.entries(record.eval ?? {}).map(([name, value]) => `${name} ${value.toPrecision(4)}`),
    `${record.imagesPerSecond.toPrecision(3)} images/s`,
    ...ranksOf(record),
    `ETA ${formatDuration(etaSeconds(record, totalSteps))}`,
  ].join('  ');
}

/** `4 ranks, 21.3 images/s each`, `exchange 6 %`, and `rank 2 slow by 30 %` if it slows the others down by more than 10 %. */
function ranksOf({ ranks, imagesPerSecond, exchangeWait, slowestRank, slowdown = 1 }: MetricsRecord): string[] {
  if (ranks === undefined) return [];
  return [
    `${ranks} ranks, ${(imagesPerSecond / ranks).toPrecision(3)} images/s each`,
    ...(exchangeWait === undefined ? [] : [`exchange ${Math.round(100 * exchangeWait)} %`]),
    ...(slowdown > 1.1 ? [`rank ${slowestRank} slow by ${Math.round(100 * (slowdown - 1))} %`] : []),
  ];
}

/** Estimated seconds for the remaining steps, at the speed of this record. */
export function etaSeconds({ step, images, imagesPerSecond }: MetricsRecord, totalSteps: number): number {
  return ((totalSteps - step) * (images / step)) / imagesPerSecond;
}

/** `3 h 05 min`, `2 min 10 s`, `9 s`. */
export function formatDuration(seconds: number): string {
  const s = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  if (s >= 60) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${s} s`;
}
