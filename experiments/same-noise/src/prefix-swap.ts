/**
 * How much of an image the first, noisiest steps of sampling decide: they are made by another network, or by the linear
 * denoiser, and the remaining steps by the network itself. Sampling is deterministic (DDIM), so the noisy image that the
 * first steps end with is all that the remaining ones know of them.
 *
 * The linear denoiser starts in pure noise and the networks at the first level of their path, which is log SNR -7 for the
 * preset mnist; the difference is neglected.
 */
import { createSampler, halfLogSnr, type NoisePath, noisePathFromConfig, samplerFromConfig } from '@dm/core';
import { classCondition, namedParameters, samplingBatchSize } from '@dm/models';
import { type Engine, float32, type NdArray } from '@dm/ops';
import { openEngine, openRunObjective, type Denoiser } from '@dm/trainer';
import { similarity, summary, type Rows, type Summary } from './compare.js';
import { gaussianFlow, type Gaussians } from './gaussian.js';

export interface PrefixSwap {
  /** The network makes the steps from this timestep on; timesteps above it are left to the other denoiser. */
  readonly t: number;
  readonly logSnr: number;
  /** Similarity to the network's own images if the linear denoiser makes the first steps. */
  readonly linear: Summary;
  /** The same without what the images of `controls` explain linearly. */
  readonly linearResidual: Summary;
  /** If another network makes the first steps: similarity to the network's own images, and to the other network's. */
  readonly own: Summary;
  readonly other: Summary;
}

export interface PrefixSwapOptions {
  /** Runs of one architecture with the same sampler; each is compared with the next one. */
  readonly runs: readonly string[];
  readonly gaussians: Gaussians;
  readonly noise: NdArray;
  readonly labels: Int32Array;
  /** Steps of a whole sampling, and between two swaps. */
  readonly steps: number;
  readonly every: number;
  /** Removes from images what their labels explain, and then what controls explain linearly, too. */
  readonly centered: (rows: Rows) => Rows;
  readonly residual: (rows: Rows) => Rows;
}

/** Swaps the first steps of all networks. */
export async function prefixSwaps(options: PrefixSwapOptions): Promise<PrefixSwap[]> {
  const { runs, labels, noise, gaussians, steps, every, centered, residual } = options;
  const opened = await openRunObjective(runs, { weights: 'ema' });
  const { denoiser, params } = opened;
  await opened.dispose();
  const path = pathOf(denoiser, steps);
  const engine = await openEngine(denoiser.config.engine);
  try {
    const whole = await sampleFrom(engine, denoiser, path, params, labels, () => [noise]);
    const own = whole.map(([one]) => one!);
    const dimension = noise.data.length / labels.length;
    const rowsOf = (values: Float32Array): Rows => ({ values, dimension });
    const next = (i: number) => (i + 1) % own.length;
    const swaps: PrefixSwap[] = [];
    for (let k = every; k < steps; k += every) {
      const level = path.levels[k]!;
      const linear = gaussianFlow(gaussians, rowsOf(noise.data as Float32Array), labels, level).values;
      const rest: NoisePath = { ...path, levels: path.levels.slice(k), initialScale: 1 };
      const images = await sampleFrom(engine, denoiser, rest, params, labels, (i) =>
        [linear, own[next(i)]!.after[k - 1]!].map((x) => float32(x, noise.shape)),
      );
      const final = own.map(({ after }) => rowsOf(after.at(-1)!));
      const compare = (a: readonly Rows[], b: readonly Rows[], relative: (rows: Rows) => Rows) =>
        summary(a.map((rows, i) => similarity(relative(rows), relative(b[i]!), labels).same));
      const [fromLinear, fromOther] = [0, 1].map((start) =>
        images.map((starts) => rowsOf(starts[start]!.after.at(-1)!)),
      ) as [Rows[], Rows[]];
      swaps.push({
        t: level.t,
        logSnr: 2 * halfLogSnr(level),
        linear: compare(fromLinear, final, centered),
        linearResidual: compare(fromLinear, final, residual),
        own: compare(fromOther, final, centered),
        other: compare(
          fromOther,
          final.map((_, i) => final[next(i)]!),
          centered,
        ),
      });
      console.log(`swapped at t = ${level.t}`);
    }
    return swaps;
  } finally {
    await engine.dispose();
  }
}

function pathOf({ config, noiseSchedule }: Denoiser, steps: number): NoisePath {
  const path = noisePathFromConfig({ path: config.sampler.path, steps }, noiseSchedule);
  if (path.ends !== undefined) throw new RangeError('prefixSwaps: steps must end at the start of the next one');
  return path;
}

/** The images after each step. */
interface Trajectory {
  readonly after: readonly Float32Array[];
}

/** Samples along `path` with each of the parameters, from the noisy images that `starts` returns: [parameters][starts]. */
async function sampleFrom(
  engine: Engine,
  denoiser: Denoiser,
  path: NoisePath,
  params: readonly Float32Array[],
  labels: Int32Array,
  starts: (network: number) => readonly NdArray[],
): Promise<Trajectory[][]> {
  const { model, config } = denoiser;
  const sampler = createSampler({
    engine,
    predict: (state, x, t, { cond }) =>
      model.apply(namedParameters(denoiser, state['params']!, state), x, t, { cond: cond! }),
    prediction: config.diffusion.prediction.type,
    sampler: samplerFromConfig({ name: 'ddim' }),
    path,
    shape: model.inputShape,
    clip: 1,
  });
  try {
    const trajectories: Trajectory[][] = [];
    for (const [network, weights] of params.entries()) {
      const ofStarts: Trajectory[] = [];
      for (const start of starts(network)) {
        const after = path.levels.slice(1).map(() => new Float32Array(start.data.length));
        await sampler.sample({
          state: { params: float32(weights) },
          seed: 0,
          n: labels.length,
          batchSize: samplingBatchSize,
          initialNoise: start,
          inputs: classCondition(denoiser, labels.length, labels).inputs,
          onStep: ({ step, first, x }) => after[step - 1]!.set(x.data, (first * start.data.length) / labels.length),
        });
        ofStarts.push({ after });
      }
      trajectories.push(ofStarts);
    }
    return trajectories;
  } finally {
    await sampler.dispose();
  }
}
