/**
 * Times the training step of a configuration as `train` runs it: draw timesteps, create inputs, run the compiled step, read
 * the next batch. The time excludes checkpoints, samples and logs. Writes no files except requested ones.
 */
import { checkInteger } from '@dm/ops';
import type { Compilation, ProgramRun } from '@dm/jit';
import type { Config } from '../config/schema.js';
import { engineOptions, openEngine } from '../setup/engine.js';
import { openTrainingSetup } from '../setup/open-training-setup.js';
import type { OnPhase } from '../setup/phases.js';
import { peakMemoryMb } from '../machine/peak-memory.js';
import { spread, type Spread } from './spread.js';
import { timedSteps } from './timed-steps.js';

export interface BenchOptions {
  /** Number of timed steps, at least 1. Default: 20. */
  readonly steps?: number;
  /** Untimed steps before them, in addition to the first one, which compiles. Default: 3. */
  readonly warmup?: number;
  /** Receives each compilation, for example to dump it. */
  readonly onCompiled?: (compilation: Compilation) => void;
  /** Called after each step, including untimed ones, with the number of steps done and the total. */
  readonly onStep?: (done: number, of: number) => void;
  /** Time a training that is larger than this machine's memory too. */
  readonly skipMemoryCheck?: boolean | undefined;
  readonly onPhase?: OnPhase;
}

export interface BenchResult {
  readonly model: string;
  readonly parameters: number;
  /** [H, W, C] of one image. */
  readonly shape: readonly number[];
  readonly batchSize: number;
  readonly engine: string;
  readonly info: Readonly<Record<string, string | number | boolean>>;
  readonly steps: number;
  /** Duration of one step, in milliseconds. */
  readonly stepMs: Spread;
  /** Throughput at the median step time. */
  readonly imagesPerSecond: number;
  /** Duration of the first step including compilation, in milliseconds. */
  readonly firstStepMs: number;
  /** Duration of each compilation phase, in milliseconds; absent on an engine that does not compile. */
  readonly compileMs?: Compilation['ms'];
  /** Median fraction of a step spent outside the runtime, in [0, 1]; absent on an engine without a separate runtime. */
  readonly javascript?: number;
  /** Peak resident set size of this process so far, in MiB. */
  readonly peakMb: number;
}

/**
 * Times the training step of a configuration. Errors of opening the data or the engine are passed on.
 *
 * @throws {RangeError} if a count is out of range
 */
export async function bench(config: Config, options: BenchOptions = {}): Promise<BenchResult> {
  const { steps = 20, warmup = 3, onStep, onCompiled, skipMemoryCheck, onPhase } = options;
  checkInteger('steps', steps, 1);
  checkInteger('warmup', warmup, 0);
  const setup = await openTrainingSetup(config, { skipMemoryCheck, onPhase });
  const { model, layout, dataset } = setup;
  const compilations: Compilation['ms'][] = [];
  const runs: ProgramRun[] = [];
  const engine = await openEngine(config.engine, {
    ...engineOptions(config),
    onPhase,
    observer: {
      compiled(compilation) {
        compilations.push(compilation.ms);
        onCompiled?.(compilation);
      },
      ran: (run) => void runs.push(run),
    },
  });
  try {
    const total = 1 + warmup + steps;
    const ms: number[] = [];
    for await (const one of timedSteps(setup, engine, total)) {
      ms.push(one);
      onStep?.(ms.length, total);
    }
    const timed = ms.slice(-steps);
    const stepMs = spread(timed);
    // One call per micro-batch.
    const { gradientAccumulation: parts } = config;
    const inRuntime = runs.slice(-steps * parts).map(({ sessionMs }) => sessionMs);
    const outside = timed.map((wholeMs, i) => {
      const ofStep = inRuntime.slice(i * parts, (i + 1) * parts);
      return 1 - ofStep.reduce((sum, part) => sum + part, 0) / wholeMs;
    });
    return {
      model: model.kind,
      parameters: layout.size,
      shape: dataset.shape,
      batchSize: config.batchSize,
      engine: engine.name,
      info: engine.info,
      steps,
      stepMs,
      imagesPerSecond: (1000 * config.batchSize) / stepMs.median,
      firstStepMs: ms[0]!,
      ...(compilations.length > 0 && { compileMs: together(compilations) }),
      ...(runs.length > 0 && { javascript: spread(outside).median }),
      peakMb: peakMemoryMb(),
    };
  } finally {
    await engine.dispose();
  }
}

/** The sum of each phase over all compiled graphs. */
function together(compilations: readonly Compilation['ms'][]): Compilation['ms'] {
  const sumOf = (phase: keyof Compilation['ms']) => compilations.reduce((sum, ms) => sum + ms[phase], 0);

  return {
    trace: sumOf('trace'),
    optimize: sumOf('optimize'),
    lower: sumOf('lower'),
    encode: sumOf('encode'),
    session: sumOf('session'),
  };
}
