/** Phases: parts of the work, such as compiling, that may take long before there is a result to show. */
import type { EngineObserver } from '@dm/jit';

export interface Phase {
  /** What is being done, such as `compiling training step`. */
  readonly name: string;
  /** Duration in seconds once the phase has ended; absent when it begins. */
  readonly seconds?: number;
}

/** Called when a phase begins, and again when it ends, also if it fails. Phases may be nested. */
export type OnPhase = (phase: Phase) => void;

/** Does `work` as a phase. */
export async function inPhase<T>(onPhase: OnPhase | undefined, name: string, work: () => Promise<T> | T): Promise<T> {
  const began = performance.now();
  onPhase?.({ name });
  try {
    return await work();
  } finally {
    onPhase?.({ name, seconds: (performance.now() - began) / 1000 });
  }
}

/** Adds to an engine's observer that compilations are reported as phases. */
export function withCompilationPhases(observer: EngineObserver, onPhase: OnPhase | undefined): EngineObserver {
  if (onPhase === undefined) return observer;
  const phase = (name: string) => `compiling ${name}`;
  return {
    ...observer,
    compiling: (name) => onPhase({ name: phase(name) }),
    compileEnded: (name, ms) => onPhase({ name: phase(name), seconds: ms / 1000 }),
  };
}
