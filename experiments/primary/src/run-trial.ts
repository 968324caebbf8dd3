/** Trains and measures one trial. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Split } from '@dm/data';
import type { FeatureExtractor, MetricValue } from '@dm/eval';
import { machineName } from '@dm/experiments';
import { readJsonFile } from '@dm/files';
import {
  evaluateSets,
  readMetrics,
  runFolder,
  train,
  UserError,
  validationLoss,
  type PartialConfig,
} from '@dm/trainer';
import { commitOf } from './frozen.js';
import { preregHash, rounded, writeJson, type Point, type RangeLosses, type TrialResult } from './results.js';
import type { Size } from './sizes.js';
import { configOf, extraAverages, measuredOn, trialName, type Trial } from './trials.js';

export interface TrialContext {
  /** This project in the tree that the program was built from, whose commit and plan results are marked with. */
  readonly project: string;
  readonly cache: string;
  readonly size: Size;
  readonly data: Readonly<Record<Split, string>>;
  /** Opened when a trial needs it. */
  readonly extractor: () => Promise<FeatureExtractor>;
  /** Training and measuring stop at this time of `performance.now()`, and continue in the next session. */
  readonly until: number;
  /** Threads of the engine; null leaves the number to it. */
  readonly threads: number | null;
  /** Device of the engine. */
  readonly device: string;
}

/** The trainer refuses other names. */
type Device = NonNullable<PartialConfig['device']>;

/** The seed of the samples: the same noise for all models. */
const sampleSeed = 0;

/** The folder of a trial's run. Runs of the finals belong to a commit: another one must not continue them. */
export function runOf(trial: Trial, { cache, size, project }: TrialContext): string {
  const name = trialName(trial).replaceAll('/', '.');
  return join(cache, size.name, 'runs', trial.stage === 'tuning' ? name : `${name}.${commitOf(project).slice(0, 12)}`);
}

/**
 * Runs a trial, or continues it. Returns undefined if the time was over before it was trained and measured; measuring a
 * checkpoint may take longer than that. The run is needed until the result is saved: see `removeRun`.
 */
export async function runTrial(trial: Trial, context: TrialContext): Promise<TrialResult | undefined> {
  const { size, data, until, threads, device } = context;
  const out = runOf(trial, context);
  const config = configOf(trial, size, data.train, out);
  const isStarted = existsSync(join(out, 'config.json'));
  let hasDiverged = false;
  try {
    const budgets = until === Infinity ? {} : { seconds: Math.max(1, (until - performance.now()) / 1000) };
    const { status, step } = await train(
      { ...config, budgets, threads, device: device as Device },
      { resume: isStarted },
    );
    if (status !== 'finished') return undefined;
    if (step !== trial.steps) throw new Error(`${out} finished after ${step} of ${trial.steps} steps.`);
  } catch (error) {
    if (!(error instanceof UserError && error.code === 'LOSS_NOT_FINITE')) throw error;
    hasDiverged = true;
  }
  const measured: Measured[] = [];
  for (const step of trial.measureAt) {
    const checkpoint = checkpointOf(out, step);
    if (hasDiverged && !existsSync(checkpoint)) break;
    const file = measuredFile(out, step);
    if (!existsSync(file)) {
      if (performance.now() > until) return undefined;
      const began = performance.now();
      const point = await measure(trial, context, checkpoint, step);
      await writeJson(file, { point, seconds: (performance.now() - began) / 1000 } satisfies Measured);
    }
    measured.push(readJsonFile(file) as Measured);
  }
  return resultOf(trial, context, {
    points: measured.map(({ point }) => point),
    ...(hasDiverged && { hasDiverged }),
    seconds: {
      // Of all sessions that the run took.
      training: readMetrics(runFolder(out).metrics).at(-1)?.seconds ?? 0,
      measuring: measured.reduce((sum, { seconds }) => sum + seconds, 0),
    },
    machine: machineName(),
    threads,
  });
}

/** A result, marked with the trial, the commit, and the plan. */
export function resultOf(
  trial: Trial,
  { size, device, project }: TrialContext,
  found: Pick<TrialResult, 'points' | 'hasDiverged' | 'seconds' | 'machine' | 'threads'>,
): TrialResult {
  const { stage, prediction, recipe, lr, seed, steps } = trial;
  return rounded({
    name: trialName(trial),
    stage,
    prediction,
    recipe: recipe.name,
    lr,
    seed,
    steps,
    size: size.name,
    measuredOn: measuredOn(trial),
    ...found,
    device,
    code: commitOf(project),
    prereg: preregHash(project, size),
  });
}

/** The result of a checkpoint, while others are still to be measured. */
interface Measured {
  readonly point: Point;
  readonly seconds: number;
}

const measuredFile = (out: string, step: number) => join(out, `measured-${step}.json`);

const checkpointOf = (out: string, step: number) => join(out, 'checkpoints', `step-${String(step).padStart(6, '0')}`);

/**
 * Removes the run of a trial whose result is saved; of the finals, only the checkpoints that were not measured, so that
 * the others can be measured again.
 */
export function removeRun(trial: Trial, context: TrialContext): void {
  const out = runOf(trial, context);
  const folder = join(out, 'checkpoints');
  if (trial.stage === 'tuning' || !existsSync(folder)) return rmSync(out, { recursive: true, force: true });
  const kept = new Set(trial.measureAt.map((step) => checkpointOf(out, step)));
  for (const name of readdirSync(folder)) {
    if (!kept.has(join(folder, name))) rmSync(join(folder, name), { recursive: true, force: true });
  }
  for (const step of trial.measureAt) rmSync(measuredFile(out, step), { force: true });
}

/** E1 and E2 of the checkpoint after `step` steps: on held-out training images in tuning, on test images in the finals. */
async function measure(trial: Trial, context: TrialContext, checkpoint: string, step: number): Promise<Point> {
  const { size, data, cache } = context;
  const isTuning = trial.stage === 'tuning';
  const losses: Record<string, RangeLosses> = {};
  for (const weights of ['ema', ...Object.keys(extraAverages)]) {
    const { loss } = await validationLoss({
      checkpoint,
      weights,
      ...(!isTuning && { data: `shard:${data.test}` }),
      images: size.validationImages,
      draws: weights === 'ema' ? size.validationDraws : 1,
    });
    losses[weights] = loss;
  }
  const point = { step, images: step * size.batchSize, losses };
  if (isTuning) return point;
  const { results } = await evaluateSets(checkpoint, `shard:${data.test}`, {
    extractor: await context.extractor(),
    metrics: ['fid', 'kid'],
    count: size.samples,
    seed: sampleSeed,
    cache: join(cache, 'features'),
  });
  return { ...point, fd: valueOf(results, 'FD'), kd: valueOf(results, 'KD') };
}

/** The value whose label starts with `FD` or `KD`. */
export function valueOf(results: readonly MetricValue[], label: 'FD' | 'KD'): number {
  return results.find((result) => result.label.startsWith(`${label}-`))!.value;
}
