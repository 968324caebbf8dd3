/** Progress of a run: one live line on a terminal, otherwise plain lines. */
import type { MetricsRecord } from '../run/metrics-record.js';
import type { OnPhase } from '../setup/phases.js';
import { formatDuration } from './duration.js';
import { createScreen, type TextStream } from './output.js';
import { createPhaseView, silenceMs } from './phase-view.js';

export interface Progress {
  readonly onPhase: OnPhase;
  /**
   * Shows a step that may have no log line, with the speed of the last one that has; without a terminal only after 20 s
   * of silence.
   */
  tick(step: number, loss: number, totalSteps: number): void;
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
  let [line, printedAt] = ['', performance.now()];
  let logged: MetricsRecord | undefined;
  const phases = createPhaseView(screen, { redraw: () => screen.live(line) });
  const note = (text: string) => {
    printedAt = performance.now();
    screen.note(text);
  };
  const show = (text: string) => {
    line = text;
    if (screen.isTerminal) screen.live(line);
    else note(line);
  };
  return {
    onPhase: phases.onPhase,
    tick(step, loss, totalSteps) {
      if (!screen.isTerminal && performance.now() - printedAt < silenceMs) return;
      show(
        logged === undefined ? stepText(step, loss, totalSteps) : progressLine(atStep(logged, step, loss), totalSteps),
      );
    },
    step(record, totalSteps) {
      const { eval: _, ...others } = record;
      // A permanent line has metrics only at the step that they were measured at.
      logged = screen.isTerminal ? record : others;
      show(progressLine(record, totalSteps));
    },
    note,
    end() {
      phases.end();
      screen.end('keep');
    },
  };
}

/** A later step, with the loss of its batch, and everything else as logged in `record`. */
function atStep(record: MetricsRecord, step: number, loss: number): MetricsRecord {
  return { ...record, step, images: (step / record.step) * record.images, loss };
}

/** `step 120/1000  12%  loss 0.1234` */
function stepText(step: number, loss: number, totalSteps: number): string {
  return [
    `step ${String(step).padStart(String(totalSteps).length)}/${totalSteps}`,
    `${String(Math.floor((100 * step) / totalSteps)).padStart(3)}%`,
    `loss ${loss.toFixed(4)}`,
  ].join('  ');
}

/** `step 120/1000  12%  loss 0.1234  85.1 images/s  ETA 2 min 10 s` */
export function progressLine(record: MetricsRecord, totalSteps: number): string {
  return [
    stepText(record.step, record.loss, totalSteps),
    ...Object.entries(record.eval ?? {}).map(([name, value]) => `${name} ${value.toPrecision(4)}`),
    `${record.imagesPerSecond.toPrecision(3)} images/s`,
    ...ranksOf(record),
    `ETA ${formatDuration(etaSeconds(record, totalSteps))}`,
  ].join('  ');
}

/** `4 ranks, 21.3 images/s each`, `exchange 6%`, and `rank 2 slow by 30%` if it slows the others down by more than 10%. */
function ranksOf({ ranks, imagesPerSecond, exchangeWait, slowestRank, slowdown = 1 }: MetricsRecord): string[] {
  if (ranks === undefined) return [];
  return [
    `${ranks} ranks, ${(imagesPerSecond / ranks).toPrecision(3)} images/s each`,
    ...(exchangeWait === undefined ? [] : [`exchange ${Math.round(100 * exchangeWait)}%`]),
    ...(slowdown > 1.1 ? [`rank ${slowestRank} slow by ${Math.round(100 * (slowdown - 1))}%`] : []),
  ];
}

/** Estimated seconds for the remaining steps, at the speed of this record. */
export function etaSeconds({ step, images, imagesPerSecond }: MetricsRecord, totalSteps: number): number {
  return ((totalSteps - step) * (images / step)) / imagesPerSecond;
}
