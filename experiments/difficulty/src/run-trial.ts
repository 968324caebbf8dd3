/** Trains one model and measures loss and gradient norm per noise range during training. */
import type { DifficultyRecord, NoiseBucket } from '@dm/eval';
import { createPhases, trialFields, trialSteps, type AnyResult, type Trial, type TrialContext } from '@dm/experiments';
import { initialState, openNoiseProbe, type NoiseProbe } from '@dm/trainer';

export interface DifficultyResult extends AnyResult {
  readonly recipe: Trial['arm']['recipe'];
  readonly size: Trial['size'];
  readonly parameters: number;
  readonly buckets: readonly NoiseBucket[];
  /** Number of held-out images per bucket, the same images in each. */
  readonly images: number;
  readonly records: readonly DifficultyRecord[];
}

const BUCKETS = 10;
const IMAGES = 32;

/**
 * Measures at the start and `size.validations` times later, more often early in the run, when losses decrease quickly.
 */
export async function runDifficultyTrial(
  trial: Trial,
  { engine, train, heldOut }: TrialContext,
): Promise<DifficultyResult> {
  const phases = createPhases(trial, train);
  const [{ setup }, { end }] = [phases[0]!, phases.at(-1)!];
  const probe = await openNoiseProbe(setup, engine, 'params', { buckets: BUCKETS, images: IMAGES, dataset: heldOut });
  const measurementSteps = new Set(
    Array.from({ length: trial.size.validations }, (_, k) =>
      Math.max(k + 1, Math.round(end * ((k + 1) / trial.size.validations) ** 2)),
    ),
  );
  const began = performance.now();
  let measuring = 0;
  const records: DifficultyRecord[] = [];
  const measure = async (step: number, params: Weights): Promise<void> => {
    const from = performance.now();
    records.push(await measureRecord(probe, step, params));
    measuring += performance.now() - from;
  };
  await measure(0, initialState(setup)['params']!);
  for await (const { step, state } of trialSteps(phases, engine)) {
    if (measurementSteps.has(step)) await measure(step, (await state.read(['params']))['params']!);
  }
  const total = performance.now() - began;
  await probe.dispose();
  return {
    ...trialFields(trial),
    parameters: setup.layout.size,
    buckets: probe.setting.buckets,
    images: IMAGES,
    records,
    seconds: { training: (total - measuring) / 1000, measuring: measuring / 1000 },
  };
}

type Weights = Parameters<NoiseProbe['load']>[0][string];

async function measureRecord(probe: NoiseProbe, step: number, params: Weights): Promise<DifficultyRecord> {
  const state = await probe.load({ params });
  const loss: number[] = [];
  const gradNorm: number[] = [];
  for (const bucket of probe.setting.buckets.keys()) {
    const measured = await probe.gradient(state, bucket);
    loss.push(rounded(measured.loss));
    gradNorm.push(rounded(Math.sqrt(measured.gradient.reduce((sum, value) => sum + value * value, 0))));
  }
  state.dispose();
  return { step, loss, gradNorm };
}

/** Rounds to six significant digits, to keep committed files small. */
const rounded = (value: number): number => Number(value.toPrecision(6));

export function summarize({ records }: DifficultyResult): string {
  const { loss } = records.at(-1)!;
  return `loss ${loss[0]!.toPrecision(3)} in the cleanest bucket, ${loss.at(-1)!.toPrecision(3)} in the noisiest`;
}
