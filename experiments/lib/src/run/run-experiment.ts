/**
 * The command line of an experiment: `node dist/main.js --scale laptop [--minutes 20] [--workers 2] [--threads 1]
 * [--engine onnx] [--report]`.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readJsonFile } from '@dm/files';
import { scales, type Scale } from '../recipe/sizes.js';
import type { AnyResult, AnyTrial, Trial } from '../recipe/trial.js';
import type { StageResults, TrialResult } from '../trial/result.js';
import { runTrial } from '../trial/run-trial.js';
import type { Experiment } from './experiment.js';
import { describeProvenance, provenanceOf, type Provenance } from './provenance.js';
import { openStore, type Store } from './store.js';
import { isWorker, runTrials, runWorker, type RunTrial, type WorkerOptions } from './workers.js';
import { isComplete, writeResults, type RunAccount } from './write-results.js';

/** Exit code if `--minutes` ended the run before all trials finished. */
const UNFINISHED = 3;

/** How to run the trials of an experiment. */
export interface TrialRunner<T extends AnyTrial, R extends AnyResult> {
  readonly run: RunTrial<T, R>;
  /** One-line summary of a result, printed after arm and seed. */
  readonly summarize: (result: R) => string;
  /** Type guard for results of other experiments that may be reused. Default: none are reused. */
  readonly accepts?: (result: AnyResult) => result is R;
}

/**
 * Runs the unfinished trials of each stage, in order, and writes the results. In a forked worker process, runs the
 * trials that it receives instead. `home` is the experiment's folder. Never rejects: errors are printed and set the
 * exit code.
 */
export async function runExperiment<T extends AnyTrial, R extends AnyResult>(
  experiment: Experiment<T, R>,
  home: string,
  runner: TrialRunner<T, R>,
): Promise<void> {
  if (isWorker()) return runWorker(runner.run);
  try {
    process.exitCode = await command(experiment, home, runner);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

async function command<T extends AnyTrial, R extends AnyResult>(
  experiment: Experiment<T, R>,
  home: string,
  { summarize, accepts }: TrialRunner<T, R>,
): Promise<number> {
  const { values } = parseArgs({
    options: {
      scale: { type: 'string', default: 'smoke' },
      minutes: { type: 'string', default: 'Infinity' },
      workers: { type: 'string', default: String(Math.min(2, availableParallelism())) },
      engine: { type: 'string', default: 'onnx' },
      threads: { type: 'string', default: '1' },
      report: { type: 'boolean', default: false },
    },
  });
  const scale = oneOf(values.scale);
  const minutes = values.report ? 0 : positive('minutes', values.minutes);
  const workers = count('workers', values.workers);
  const engine = { name: values.engine, threads: count('threads', values.threads) };
  // A smoke run must not reuse the results of an earlier one.
  const store = openStore<T, R>(join(home, 'results', scale), { fresh: scale === 'smoke', accepts });
  const until = performance.now() + minutes * 60_000;

  // Once: a commit during the run does not change the code that runs.
  const provenance = provenanceOf(home);

  const finished: Record<string, StageResults<R>> = {};
  const all: R[] = [];
  const stages: RunAccount['stages'][number][] = [];
  let isOpen = true;
  let trained = 0;
  for (const { name, about, trials } of experiment.stages) {
    const planned: readonly T[] | undefined = isOpen ? trials(scale, finished) : undefined;
    if (planned !== undefined)
      trained += await finish(planned, store, summarize, { workers, engine, until, provenance });
    const results: readonly R[] = (planned ?? []).flatMap((trial) => store.find(trial) ?? []);
    finished[name] = byArm(results);
    all.push(...results);
    stages.push({ name, about, done: results.length, of: planned?.length ?? null });
    isOpen &&= results.length === planned?.length;
  }
  const account: RunAccount = {
    scale,
    stages,
    seeds: [...new Set(all.map(({ seed }) => seed))].toSorted((a, b) => a - b),
    trialMinutes: all.reduce((sum, { seconds }) => sum + seconds.training + seconds.measuring, 0) / 60,
    origin: describeProvenance(all.flatMap(({ provenance: one }) => one ?? [])),
    machine: (trained === 0 ? recordedMachine(store.folder) : undefined) ?? machine(),
  };
  if (values.report && all.length === 0) {
    console.log(`${experiment.name}, ${scale}: no results yet`);
    return 0;
  }
  await writeResults(store.folder, experiment, experiment.conclude(finished, scale), account);
  console.log(`${experiment.name}, ${scale}: ${join(store.folder, 'README.md')}`);
  if (isComplete(account) || values.report) return 0;
  const left = stages.map(({ name, done, of }) => `${name} ${done} of ${of ?? '?'}`).join(', ');
  console.log(`Time limit reached with unfinished runs (${left}). Run the same command again to continue.`);
  return UNFINISHED;
}

/** Trains a denoiser with a recipe. */
export const trainingRunner = {
  run: runTrial,
  accepts: isTraining,
  summarize({ points, divergedAt }: TrialResult) {
    if (divergedAt !== undefined) return `diverged at step ${divergedAt}`;
    const last = points.at(-1);
    const loss = last?.validation === undefined ? [] : [`validation ${last.validation.ema.loss.toPrecision(4)}`];
    const fd = last?.samples === undefined ? [] : [`FD-classifier ${last.samples.ema.fd.toPrecision(4)}`];
    return `${[...loss, ...fd].join(', ')} (EMA)`;
  },
} satisfies TrialRunner<Trial, TrialResult>;

function isTraining(result: AnyResult): result is TrialResult {
  return 'points' in result && 'trainingLoss' in result && 'size' in result;
}

/** Runs the unfinished trials of a stage until the time limit, and returns how many it finished. */
async function finish<T extends AnyTrial, R extends AnyResult>(
  planned: readonly T[],
  store: Store<T, R>,
  summarize: TrialRunner<T, R>['summarize'],
  { provenance, ...how }: Omit<WorkerOptions<T, R>, 'onDone'> & { readonly provenance: Provenance },
): Promise<number> {
  const open = planned.filter((trial) => store.find(trial) === undefined);
  if (open.length === 0) return 0;
  const before = planned.length - open.length;
  let done = before;
  await runTrials<T, R>(open, {
    ...how,
    workers: Math.min(how.workers, open.length),
    onDone(trial, result) {
      store.save(trial, { ...result, provenance });
      done++;
      const seconds = result.seconds.training + result.seconds.measuring;
      console.log(
        `${trial.stage} ${done}/${planned.length}: ${trial.arm.name}, seed ${trial.seed}, ${summarize(result)}, ${seconds.toFixed(0)} s`,
      );
    },
  });
  return done - before;
}

function byArm<R extends AnyResult>(results: readonly R[]): StageResults<R> {
  const arms = new Map<string, R[]>();
  for (const result of results) arms.set(result.arm, [...(arms.get(result.arm) ?? []), result]);
  return arms;
}

function oneOf(scale: string): Scale {
  const known = scales.find((name) => name === scale);
  if (known === undefined) throw new Error(`Unknown --scale ${scale}. Choose one of ${scales.join(', ')}.`);
  return known;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0, got ${text}.`);
  return value;
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!(Number.isInteger(value) && value >= 1)) {
    throw new Error(`--${name} must be an integer of at least 1, got ${text}.`);
  }
  return value;
}

/** The machine of the last run that trained: a report may be written on another one. */
function recordedMachine(folder: string): RunAccount['machine'] | undefined {
  const path = join(folder, 'results.json');
  if (!existsSync(path)) return undefined;
  return (readJsonFile(path) as { readonly machine?: RunAccount['machine'] } | null)?.machine;
}

function machine(): RunAccount['machine'] {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    node: process.versions.node,
    onnxruntime: version,
  };
}
