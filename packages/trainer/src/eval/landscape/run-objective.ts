/** The loss of a run as a function of its parameters, for loss landscapes. */
import type { Objective } from '@dm/eval';
import { type Arrays, type Engine, float32, type StateHandle } from '@dm/ops';
import { engineOptions, openEngine } from '../../setup/engine.js';
import { UserError } from '../../errors.js';
import { predictionOptions, type Denoiser } from '../../setup/denoiser.js';
import { openDenoiser } from '../../setup/open-denoiser.js';
import { weightsName } from '../../setup/averages.js';
import {
  readSelectedCheckpoint,
  samplingConfig,
  type GenerateSamplesOptions,
} from '../../sampling/generate-samples.js';
import { readWeights } from '../../checkpoint/pack-state.js';
import {
  openNoiseProbe,
  type NoiseProbe,
  type NoiseProbeOptions,
  type ProbeSetting,
} from '../difficulty/noise-probe.js';
import { runOrCheckpoint } from '../../checkpoint/resolve.js';

export interface RunObjectiveOptions
  extends
    NoiseProbeOptions,
    Pick<GenerateSamplesOptions, 'best' | 'engine' | 'device' | 'threads' | 'onNote' | 'onPhase'> {
  /** Default: raw, the weights without averaging. */
  readonly weights?: 'raw' | 'ema';
}

export interface RunObjective {
  readonly denoiser: Denoiser;
  /** The parameters [P] of the checkpoints, in the order of the specs. */
  readonly params: readonly Float32Array[];
  readonly setting: ProbeSetting;
  /** The mean loss over one noise bucket of the setting. */
  objective(bucket: number): Objective;
  dispose(): Promise<void>;
}

/**
 * The unweighted loss on fixed held-out images and noise, and the parameters of all specs (runs or checkpoints), which must
 * have the same architecture. Model, data and buffers come from the first.
 *
 * @throws {UserError} if the architectures or predictions differ
 */
export async function openRunObjective(
  specs: readonly string[],
  options: RunObjectiveOptions = {},
): Promise<RunObjective> {
  const { weights = 'raw' } = options;
  const opened = specs.map((spec) => {
    const asked = { ...options, weights, ...runOrCheckpoint(spec) };
    const checkpoint = readSelectedCheckpoint(asked);
    const denoiser = openDenoiser(samplingConfig(checkpoint, asked));
    return { spec, denoiser, arrays: readWeights(denoiser, checkpoint, weightsName(weights)) };
  });
  const [first] = opened;
  if (first === undefined) throw new UserError('Give at least one run or checkpoint.');
  const shapes = ({ layout }: Denoiser) => layout.entries.map(({ name, shape }) => `${name} [${shape.join(', ')}]`);
  for (const { spec, denoiser } of opened) {
    const other = shapes(denoiser).find((entry, i) => entry !== shapes(first.denoiser)[i]);
    if (other !== undefined || denoiser.layout.size !== first.denoiser.layout.size) {
      throw new UserError(
        `${spec} has another architecture than ${first.spec}, so they cannot be interpolated` +
          `${other === undefined ? '' : ` (first difference: ${other})`}.`,
        { code: 'SETS_MISMATCH' },
      );
    }
    if (JSON.stringify(denoiser.config.latents) !== JSON.stringify(first.denoiser.config.latents)) {
      throw new UserError(
        `${spec} and ${first.spec} scale their data differently (latents), so their losses are not comparable.`,
        { code: 'SETS_MISMATCH' },
      );
    }
    if (predicts(denoiser) !== predicts(first.denoiser)) {
      throw new UserError(
        `${spec} predicts ${predicts(denoiser)} and ${first.spec} ${predicts(first.denoiser)}, so their losses are not comparable.`,
        { code: 'SETS_MISMATCH' },
      );
    }
  }
  const { denoiser, arrays } = first;
  const engine = await openEngine(denoiser.config.engine, {
    ...engineOptions(denoiser.config),
    onPhase: options.onPhase,
  });
  try {
    return await objectiveOn(engine, denoiser, arrays, options, opened);
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}

function predicts({ config: { diffusion } }: Denoiser): string {
  const { type } = diffusion.prediction;
  const { sigmaData } = predictionOptions(diffusion);
  return sigmaData === undefined ? type : `${type} (sigmaData ${sigmaData})`;
}

async function objectiveOn(
  engine: Engine,
  denoiser: Denoiser,
  arrays: Arrays,
  options: NoiseProbeOptions,
  opened: readonly { readonly arrays: Arrays }[],
): Promise<RunObjective> {
  const probe = await openNoiseProbe(denoiser, engine, 'params', options);
  const state = await probe.load(arrays);
  return {
    denoiser,
    params: opened.map((one) => one.arrays['params']!.data as Float32Array),
    setting: probe.setting,
    objective: (bucket) => createProbeObjective(probe, state, denoiser.layout.size, bucket),
    async dispose() {
      state.dispose();
      await probe.dispose();
      await engine.dispose();
    },
  };
}

/** The mean loss over a bucket of `probe` as a function of `params` [size], which are written to `state` at every call. */
export function createProbeObjective(probe: NoiseProbe, state: StateHandle, size: number, bucket: number): Objective {
  const put = (params: Float32Array | Float64Array) => state.write({ params: float32(Float32Array.from(params)) });
  return {
    size,
    async loss(params) {
      await put(params);
      return probe.loss(state, bucket);
    },
    async gradient(params) {
      await put(params);
      return (await probe.gradient(state, bucket)).gradient;
    },
  };
}
