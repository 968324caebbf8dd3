/** Shows phases: on a terminal as the live line with the time so far, elsewhere as lines. */
import type { OnPhase } from '../setup/phases.js';
import type { Screen } from './output.js';
import { formatDuration } from './duration.js';

/** The time so far is updated this often on a terminal. */
const tickMs = 1000;

/** Without a terminal, a line is printed after this much time without output. */
export const silenceMs = 20_000;

/** The duration of a phase is printed if it took at least this many seconds. */
const printedSeconds = 5;

export interface PhaseView {
  readonly onPhase: OnPhase;
  /** Stops the timer. Idempotent. */
  end(): void;
}

export interface PhaseViewOptions {
  /** Called on a terminal when the last phase has ended, to draw the live line that the phases replaced. */
  readonly redraw?: () => void;
  /** How far the phase `name` is, such as `64/1000`; empty if that is not known. */
  readonly detail?: (name: string) => string;
}

export function createPhaseView(screen: Screen, { redraw, detail = () => '' }: PhaseViewOptions = {}): PhaseView {
  const running: { readonly name: string; readonly began: number }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let printedAt = 0;
  const print = (text: string) => {
    screen.note(text);
    printedAt = performance.now();
  };
  const show = (isNew: boolean) => {
    const { name, began } = running.at(-1)!;
    const seconds = (performance.now() - began) / 1000;
    const known = detail(name);
    const text = [`${name} ...`, ...(known === '' ? [] : [known]), ...(seconds < 1 ? [] : [formatDuration(seconds)])];
    if (screen.isTerminal) screen.live(text.join('  '));
    else if (isNew || performance.now() - printedAt >= silenceMs) print(text.join('  '));
  };
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
  };
  return {
    onPhase({ name, seconds }) {
      if (seconds === undefined) {
        running.push({ name, began: performance.now() });
        show(true);
        // The timer must not keep the process alive.
        timer ??= setInterval(() => show(false), tickMs).unref();
        return;
      }
      const at = running.findLastIndex((phase) => phase.name === name);
      if (at !== -1) running.splice(at, 1);
      if (seconds >= printedSeconds) print(`${name}: ${formatDuration(seconds)}`);
      if (running.length > 0) return;
      stop();
      screen.live('');
      redraw?.();
    },
    end: stop,
  };
}
