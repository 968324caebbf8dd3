/** Trains one run, and measures its loss per noise bucket and the oscillation of its parameters. */
import type { Dataset } from '@dm/data';
import { hessianSpectrum, type FlatVector } from '@dm/eval';
import { createPhases, holdOut, trialFields, trialSteps, type AnyResult, type TrialContext } from '@dm/experiments';
import { float32, type NdArray } from '@dm/ops';
import {
  createProbeObjective,
  createValidationSet,
  createValidator,
  openNoiseProbe,
  UserError,
  type TrainingSetup,
  type ValidationLoss,
} from '@dm/trainer';
import { measureOscillation, randomDirections, type Oscillation } from './oscillation.js';
import { DIRECTIONS, type MomentumTrial } from './trial.js';

export interface Reading {
  readonly step: number;
  /** Geometric mean of the loss over the noise buckets; null if it is not finite. */
  readonly raw: number | null;
  readonly ema: number | null;
}

export interface PathResult {
  /** The largest eigenvalues of the Hessian at the last step, with the error bounds of Lanczos; null if not finite. */
  readonly eigenvalues: readonly { readonly value: number | null; readonly residual: number | null }[];
  /** Relative error of Hessian-vector products; null if it is not finite. */
  readonly hessianError: number | null;
  /** Along each eigenvector, and along each random direction. */
  readonly eigenvectors: readonly Oscillation[];
  readonly random: readonly Oscillation[];
}

export interface MomentumResult extends AnyResult {
  readonly recipe: MomentumTrial['arm']['recipe'];
  readonly size: MomentumTrial['size'];
  readonly parameters: number;
  readonly readings: readonly Reading[];
  /** Loss of the EMA weights per noise bucket, from noisy to clean, after the last step. */
  readonly buckets: readonly (number | null)[];
  /** Step of the first non-finite update, at which the run ended. */
  readonly divergedAt?: number;
  readonly path?: PathResult;
}

/** Trains with all but the last `holdOut` training images. The grid is measured on those, the finals on test images. */
export async function runMomentumTrial(trial: MomentumTrial, context: TrialContext): Promise<MomentumResult> {
  const { size } = trial;
  const { engine } = context;
  const { train, validation } = await holdOut(context.train, size.holdOut);
  const measured = trial.stage === 'final' ? context.heldOut : validation;
  const phases = createPhases(trial, train);
  const { setup, end } = phases[0]!;
  const validationSet = await createValidationSet(setup, measured, { images: size.lossImages, draws: 1 });
  const validator = createValidator(setup, engine, 'params', validationSet);
  const validate = async (weights: NdArray): Promise<ValidationLoss> => {
    const state = await validator.load({ params: weights });
    const loss = await validator.measure(state);
    state.dispose();
    return loss;
  };

  const readings: Reading[] = [];
  const path: Float32Array[] = [];
  let buckets: readonly (number | null)[] = [];
  let divergedAt: number | undefined;
  let measuring = 0;
  let lastStep = 0;
  const began = performance.now();
  try {
    for await (const { step, state } of trialSteps(phases, engine)) {
      lastStep = step;
      const isRead = (step * size.validations) % end < size.validations;
      if (!isRead && step <= end - size.window) continue;
      const pause = performance.now();
      const { params, ema } = (await state.read(isRead ? ['params', 'ema'] : ['params'])) as Record<string, NdArray>;
      if (step > end - size.window) path.push(Float32Array.from(params!.data));
      if (isRead) {
        const [raw, average] = [await validate(params!), await validate(ema!)];
        ({ buckets } = average);
        readings.push({ step, raw: rounded(raw.geometricMean), ema: rounded(average.geometricMean) });
      }
      measuring += performance.now() - pause;
    }
  } catch (error) {
    if (!(error instanceof UserError && error.code === 'LOSS_NOT_FINITE')) throw error;
    divergedAt = lastStep + 1;
  }
  const training = performance.now() - began - measuring;
  await validator.dispose();
  const isMeasured = divergedAt === undefined && path.length > 0;
  const pathResult = isMeasured ? await measurePath(path, setup, train, trial, context) : undefined;
  return {
    ...trialFields(trial),
    parameters: setup.layout.size,
    readings,
    buckets: buckets.map((loss) => (loss === null ? null : rounded(loss))),
    ...(divergedAt !== undefined && { divergedAt }),
    ...(pathResult !== undefined && { path: pathResult }),
    seconds: { training: training / 1000, measuring: (performance.now() - began - training) / 1000 },
  };
}

/** The path along the top eigenvectors of the training loss's Hessian at its end, and along random directions. */
async function measurePath(
  path: readonly Float32Array[],
  setup: TrainingSetup,
  train: Dataset,
  { size, seed }: MomentumTrial,
  { engine }: TrialContext,
): Promise<PathResult> {
  const end = path.at(-1)!;
  const probe = await openNoiseProbe(setup, engine, 'params', { buckets: 1, images: size.probeImages, dataset: train });
  const state = await probe.load({ params: float32(end) });
  const objective = createProbeObjective(probe, state, setup.layout.size, 0);
  const spectrum = await hessianSpectrum(objective, end, { top: DIRECTIONS, steps: size.lanczos });
  state.dispose();
  await probe.dispose();
  const along = (direction: FlatVector) => measureOscillation(path, direction, size.lags);
  return {
    eigenvalues: spectrum.largest.map(({ value, residual }) => ({
      value: rounded(value),
      residual: rounded(residual),
    })),
    hessianError: rounded(Math.max(spectrum.error.stepError, spectrum.error.largest)),
    eigenvectors: spectrum.largest.map((_, k) => along(spectrum.eigenvector(k))),
    random: randomDirections(setup.layout.size, DIRECTIONS, seed).map(along),
  };
}

/** Six significant digits, to keep committed files small; null if the value is not finite. */
function rounded(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : null;
}

export function summarize({ readings, divergedAt, path }: MomentumResult): string {
  if (divergedAt !== undefined) return `diverged at step ${divergedAt}`;
  const last = readings.at(-1);
  const top =
    path === undefined ? '' : `, top eigenvalue ${path.eigenvalues[0]!.value?.toPrecision(3) ?? 'not finite'}`;
  return `geometric mean of the loss ${last?.ema?.toPrecision(4)} (EMA), ${last?.raw?.toPrecision(4)} (raw)${top}`;
}
