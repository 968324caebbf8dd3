/** From the runs to numbers: excess over the optimum, images until it is small, and transfer between noise levels. */
import { settlingTime, spearmanCorrelation, validationRange } from '@dm/eval';
import { confidenceInterval, geometricInterval, type ConfidenceInterval, type StageResults } from '@dm/experiments';
import type { DifficultyResult } from './run-trial.js';
import { MIDDLE, type ArmName } from './trial.js';

/** Excess over the optimum, as a fraction of it, within which a range of timesteps counts as learned. */
const TOLERANCE = 0.1;

/** The lowest final loss of the long runs in each bucket. */
export function optimum(reference: StageResults<DifficultyResult>): readonly number[] | undefined {
  const losses = [...reference.values()].flat().map(({ readings }) => readings.at(-1)!.loss);
  return losses[0]?.map((_, b) => Math.min(...losses.map((loss) => loss[b]!)));
}

/** What a run learned in a bucket. */
export interface Learning {
  readonly noiseRate: number;
  readonly logSnr: number;
  /** Images until the loss stays at or below (1 + TOLERANCE) times the optimum; Infinity if it does not. */
  readonly images: number;
  /** Loss after the last step / optimum - 1. */
  readonly excess: number;
  /** Signal-to-noise ratio of the gradient early in the run and after the last step. */
  readonly snrEarly: number;
  readonly snrEnd: number;
}

export function learning(
  { buckets, readings, gradients, recipe }: DifficultyResult,
  optima: readonly number[],
): readonly Learning[] {
  const images = readings.map(({ step }) => step * recipe.batch[0]!.size);
  const [early, end] = [gradients[0]!.snr, gradients.at(-1)!.snr];
  return buckets.map(({ noiseRate, logSnr }, b) => {
    const ratios = readings.map(({ loss }) => loss[b]! / optima[b]!);
    return {
      noiseRate,
      logSnr,
      images: settlingTime(images, ratios, 1 + TOLERANCE) ?? Infinity,
      excess: ratios.at(-1)! - 1,
      snrEarly: early[b]!,
      snrEnd: end[b]!,
    };
  });
}

export const measures = {
  images: 'images to within 10% of the optimum',
  excess: 'excess loss after the last step',
  snrEarly: 'gradient SNR early in the run',
  snrEnd: 'gradient SNR after the last step',
} as const;
export type Measure = keyof typeof measures;

/** Buckets over which rank correlations are computed: all, or those in which a network can beat a linear filter. */
export const scopes = { all: -Infinity, 'log SNR above -5': validationRange.from } as const;
export type Scope = keyof typeof scopes;

/** Rank correlation of a measure with the noise rate over the buckets, mean and interval over runs. */
export function rankCorrelation(
  runs: readonly (readonly Learning[])[],
  measure: Measure,
  scope: Scope = 'all',
): ConfidenceInterval | undefined {
  const values = runs.flatMap((run) => {
    const buckets = run.filter(({ logSnr }) => logSnr > scopes[scope]);
    return (
      spearmanCorrelation(
        buckets.map(({ noiseRate }) => noiseRate),
        buckets.map((bucket) => bucket[measure]),
      ) ?? []
    );
  });
  return values.length === 0 ? undefined : confidenceInterval(values);
}

export type Half = 'clean' | 'noisy';

/**
 * The geometric mean of the loss over the buckets of a half of the timesteps, in arm `name` after the fraction `at` of its
 * steps, over the loss of arm `v` after its last step: paired by seed, with an interval.
 */
export function overUniform(
  training: StageResults<DifficultyResult>,
  name: ArmName,
  half: Half,
  at: 0.5 | 1 = 1,
): ConfidenceInterval | undefined {
  const logs = (training.get(name) ?? []).flatMap((result) => {
    const uniform = training.get('v')?.find(({ seed }) => seed === result.seed);
    return uniform === undefined ? [] : meanLogLoss(result, half, at) - meanLogLoss(uniform, half, 1);
  });
  return logs.length === 0 ? undefined : geometricInterval(logs);
}

function meanLogLoss({ buckets, readings }: DifficultyResult, half: Half, at: number): number {
  const end = readings.at(-1)!.step;
  const { loss } = readings.find(({ step }) => step === Math.round(at * end))!;
  const logs = loss.filter((_, b) => buckets[b]!.from >= MIDDLE === (half === 'noisy')).map(Math.log);
  return logs.reduce((sum, value) => sum + value, 0) / logs.length;
}
