/** Trains one model, and measures loss and gradient per range of timesteps during training. */
import { levelAt, logSnrs, permutation, type NoiseSchedule } from '@dm/core';
import { discreteSchedule, type TimestepSchedule } from '@dm/curriculum';
import type { Dataset } from '@dm/data';
import { noiseBuckets, stratifiedTimesteps, type NoiseBucket } from '@dm/eval';
import {
  closedFormLosses,
  createPhases,
  meanLoss,
  trialFields,
  trialSteps,
  type AnyResult,
  type TrialContext,
} from '@dm/experiments';
import type { Engine, NdArray } from '@dm/ops';
import {
  createValidationSet,
  createValidator,
  openNoiseProbe,
  type TrainingSetup,
  type ValidationSet,
} from '@dm/trainer';
import { gradientSnr } from './gradient-snr.js';
import { BUCKETS, measuredSteps, type DifficultyTrial } from './trial.js';

export interface Reading {
  readonly step: number;
  /** Mean squared error of epsilon of the EMA weights in each bucket. */
  readonly loss: readonly number[];
}

/** Mean squared errors of epsilon of denoisers in closed form, fitted to the training images, in each bucket. */
export interface Bounds {
  readonly wiener: readonly number[];
  readonly posteriorMean: readonly number[];
}

export interface DifficultyResult extends AnyResult {
  readonly recipe: DifficultyTrial['arm']['recipe'];
  readonly size: DifficultyTrial['size'];
  readonly parameters: number;
  readonly buckets: readonly NoiseBucket[];
  readonly readings: readonly Reading[];
  /** Signal-to-noise ratio of the gradient of 32 images in each bucket, with the weights after a step. */
  readonly gradients: readonly { readonly step: number; readonly snr: readonly number[] }[];
  readonly bounds?: Bounds;
}

/** Images of a gradient. */
const GROUP = 32;
/** A step of this fraction of a run, besides the last one, after which the gradients are compared. */
const EARLY = 0.1;

export async function runDifficultyTrial(trial: DifficultyTrial, context: TrialContext): Promise<DifficultyResult> {
  const { size } = trial;
  const { engine, train, heldOut } = context;
  const phases = createPhases(trial, train).map((phase) => ({
    ...phase,
    setup: { ...phase.setup, curriculum: uniformBetween(size.timesteps, phase.setup.noiseSchedule) },
  }));
  const [{ setup, end }] = phases as [(typeof phases)[number]];
  const buckets = noiseBuckets(setup.noiseSchedule, BUCKETS);
  const began = performance.now();
  let training = 0;
  const bounds = size.boundImages > 0 ? await computeBounds(buckets, context, size.boundImages) : undefined;
  const validator = createValidator(setup, engine, 'params', await lossSet(setup, buckets, heldOut, size.lossImages));
  const gradients = await openGradients(setup, engine, heldOut, size.gradientGroups);
  const lossAt = new Set(measuredSteps(end));
  const gradientsAt = new Set(size.gradientGroups > 0 ? [Math.max(1, Math.round(EARLY * end)), end] : []);
  const readings: Reading[] = [];
  const snrs: DifficultyResult['gradients'][number][] = [];
  let resumed = performance.now();
  for await (const { step, state } of trialSteps(phases, engine)) {
    if (!lossAt.has(step) && !gradientsAt.has(step)) continue;
    training += performance.now() - resumed;
    const { params, ema } = (await state.read(['params', 'ema'])) as Record<string, NdArray>;
    if (lossAt.has(step)) {
      const loaded = await validator.load({ params: ema! });
      const { buckets: loss } = await validator.measure(loaded);
      loaded.dispose();
      readings.push({ step, loss: loss.map((value) => rounded(value!)) });
    }
    if (gradientsAt.has(step)) snrs.push({ step, snr: (await gradients.snrs(params!)).map(rounded) });
    resumed = performance.now();
  }
  await validator.dispose();
  await gradients.dispose();
  return {
    ...trialFields(trial),
    parameters: setup.layout.size,
    buckets,
    readings,
    gradients: snrs,
    ...(bounds !== undefined && { bounds }),
    seconds: { training: training / 1000, measuring: (performance.now() - began - training) / 1000 },
  };
}

/** All timesteps in [from, to) with the same probability. */
export function uniformBetween(
  [from, to]: readonly [from: number, to: number],
  { numTimesteps }: Pick<NoiseSchedule, 'numTimesteps'>,
): TimestepSchedule {
  const density = Float64Array.from({ length: numTimesteps }, (_, t) => (t >= from && t < to ? 1 / (to - from) : 0));
  return discreteSchedule({ name: 'uniformBetween', numTimesteps, density: () => density });
}

/** The same images and noise in each bucket, with the timesteps spread evenly over it. */
async function lossSet(
  setup: TrainingSetup,
  buckets: readonly NoiseBucket[],
  heldOut: Dataset,
  images: number,
): Promise<ValidationSet> {
  const set = await createValidationSet(setup, heldOut, { images, draws: 1 });
  const ratios = logSnrs(setup.noiseSchedule);
  const order = permutation({ seed: 0, stream: 'evaluation', lane: 1 }, images);
  return {
    ...set,
    setting: { ...set.setting, buckets: buckets.map(({ from, to }) => ({ from: ratios[to - 1]!, to: ratios[from]! })) },
    levels: buckets.map((bucket) => {
      const timesteps = stratifiedTimesteps(bucket, images);
      return Array.from(order, (i) => levelAt(setup.noiseSchedule, timesteps[i]!));
    }),
  };
}

interface Gradients {
  /** The signal-to-noise ratio of the gradient in each bucket. */
  snrs(params: NdArray): Promise<number[]>;
  dispose(): Promise<void>;
}

/** Gradients of the recipe's own loss on `groups` independent draws of images and noise. */
async function openGradients(
  setup: TrainingSetup,
  engine: Engine,
  dataset: Dataset,
  groups: number,
): Promise<Gradients> {
  const seeds = Array.from({ length: groups }, (_, seed) => seed);
  const probes = await Promise.all(
    seeds.map((seed) => openNoiseProbe(setup, engine, 'params', { buckets: BUCKETS, images: GROUP, seed, dataset })),
  );
  return {
    async snrs(params) {
      const ofBucket: Float64Array[][] = Array.from({ length: BUCKETS }, () => []);
      for (const probe of probes) {
        const state = await probe.load({ params });
        for (const [bucket, list] of ofBucket.entries()) list.push((await probe.gradient(state, bucket)).gradient);
        state.dispose();
      }
      return ofBucket.map(gradientSnr);
    },
    dispose: async () => void (await Promise.all(probes.map((probe) => probe.dispose()))),
  };
}

async function computeBounds(
  buckets: readonly NoiseBucket[],
  { train, heldOut, engine }: TrialContext,
  queries: number,
): Promise<Bounds> {
  const { wiener, posteriorMean } = await closedFormLosses(train, heldOut, engine, queries);
  const byBucket = (losses: typeof wiener) =>
    buckets.map(({ from, to }) =>
      rounded(meanLoss(losses.filter(({ timestep }) => timestep >= from && timestep < to))),
    );
  return { wiener: byBucket(wiener), posteriorMean: byBucket(posteriorMean) };
}

/** Rounds to six significant digits, to keep committed files small. */
const rounded = (value: number): number => Number(value.toPrecision(6));

export function summarize({ readings }: DifficultyResult): string {
  const { loss } = readings.at(-1)!;
  return `loss ${loss[0]!.toPrecision(3)} in the cleanest bucket, ${loss.at(-1)!.toPrecision(3)} in the noisiest`;
}
