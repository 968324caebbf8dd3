/** Trains the UNet on each task and provides its losses as functions of the parameters. */
import { normalBatch } from '@dm/core';
import { toFloat } from '@dm/data';
import type { FlatVector, Objective } from '@dm/eval';
import {
  createPhases,
  evenlySpacedIndices,
  generatorObjective,
  phaseSteps,
  trainGan,
  trialSteps,
  type GanNetworks,
  type GanRecipe,
  type TrainingRecipe,
  type TrialContext,
} from '@dm/experiments';
import { float32, type FlatLayout, type NdArray } from '@dm/ops';
import { createProbeObjective, initialState, openNoiseProbe } from '@dm/trainer';
import { classifier, maskedAutoencoder, supervisedObjective, taskUNet, trainSupervised, unetGan } from './tasks.js';
import type { LandscapeTrial, SupervisedRecipe } from './trial.js';

/** A loss, with the initial and trained weights. */
export interface LossLandscape {
  /** `whole`, or a range of timesteps such as `timesteps 0-249`. */
  readonly name: string;
  readonly objective: Objective;
  readonly layout: FlatLayout;
  /** Parameters before and after training. */
  readonly start: FlatVector;
  readonly end: FlatVector;
  dispose(): Promise<void>;
}

export interface LossLandscapes {
  readonly landscapes: readonly LossLandscape[];
  /** Fréchet distance of generated to held-out images (not an FID) before and after training; only for the GAN. */
  readonly fd?: { readonly start: number; readonly end: number };
  readonly trainingSeconds: number;
}

/**
 * Trains the UNet on the task of a trial.
 * @throws {Error} if training diverges
 */
export function openLandscapes(trial: LandscapeTrial, context: TrialContext): Promise<LossLandscapes> {
  const { recipe } = trial.arm;
  if (recipe.kind === 'denoiser') return denoiserLandscapes(trial, recipe.training, context);
  return recipe.kind === 'gan' ? ganLandscape(trial, recipe, context) : supervisedLandscape(trial, recipe, context);
}

async function denoiserLandscapes(
  trial: LandscapeTrial,
  training: TrainingRecipe,
  { engine, train, heldOut }: TrialContext,
): Promise<LossLandscapes> {
  const { size } = trial;
  const began = performance.now();
  const phases = createPhases({ ...trial, arm: { ...trial.arm, recipe: training } }, train);
  const { setup } = phases[0]!;
  const start = Float32Array.from(initialState(setup)['params']!.data);
  let end = start;
  for await (const { step, state } of trialSteps(phases, engine)) {
    if (step < phases.at(-1)!.end) continue;
    end = Float32Array.from((await state.read(['params']))['params']!.data);
  }
  const trainingSeconds = (performance.now() - began) / 1000;
  const { layout } = setup;
  const landscapes: LossLandscape[] = [];
  for (const [buckets, images] of [
    [1, size.probeImages],
    [size.buckets, size.probeImages / 4],
  ] as const) {
    if (buckets === 0) continue;
    const probe = await openNoiseProbe(setup, engine, 'params', { buckets, images, dataset: heldOut });
    const state = await probe.load({ params: float32(end) });
    let open = buckets;
    for (const [k, { from, to }] of probe.setting.buckets.entries()) {
      landscapes.push({
        name: buckets === 1 ? 'whole' : `timesteps ${from}-${to - 1}`,
        objective: createProbeObjective(probe, state, layout.size, k),
        layout,
        start,
        end,
        async dispose() {
          if (--open > 0) return;
          state.dispose();
          await probe.dispose();
        },
      });
    }
  }
  return { landscapes, trainingSeconds };
}

async function ganLandscape(trial: LandscapeTrial, recipe: GanRecipe, context: TrialContext): Promise<LossLandscapes> {
  const { engine, train } = context;
  const { seed, size } = trial;
  const began = performance.now();
  const unet = taskUNet(size.unet, train.shape, train.shape[2]);
  const networks = unetGan(unet, train.shape);
  const steps = stepsOf(trial, recipe.batchSize);
  const { generator, discriminator } = await trainGan({ train, engine, recipe, seed, steps, networks });
  const trainingSeconds = (performance.now() - began) / 1000;
  const start = unet.initial(seed);
  // The generator's loss is measured against the trained discriminator: it is one side of an equilibrium.
  const objective = await generatorObjective(engine, networks, {
    size: unet.layout.size,
    discriminator,
    latents: fixedNoise(size.probeImages, train.shape),
  });
  const fdOf = async (params: Float32Array) => {
    const images = await generated(context, networks, params, size.generated);
    return (await context.sampleMetric.evaluate(images)).fd;
  };
  return {
    landscapes: [
      { name: 'whole', objective, layout: unet.layout, start, end: generator, dispose: () => objective.dispose() },
    ],
    fd: { start: await fdOf(start), end: await fdOf(generator) },
    trainingSeconds,
  };
}

async function supervisedLandscape(
  trial: LandscapeTrial,
  recipe: SupervisedRecipe,
  context: TrialContext,
): Promise<LossLandscapes> {
  const { engine, train } = context;
  const { seed, size } = trial;
  const { shape, classes } = train;
  const began = performance.now();
  const task =
    recipe.kind === 'autoencoder'
      ? maskedAutoencoder(taskUNet(size.unet, shape, shape[2]))
      : classifier(taskUNet(size.unet, shape, classes.length), classes.length);
  const steps = stepsOf(trial, recipe.batchSize);
  const end = await trainSupervised(task, { train, engine, recipe, seed, steps });
  const trainingSeconds = (performance.now() - began) / 1000;
  const objective = await supervisedObjective(engine, task, await heldOutBatch(trial, context));
  const { layout, initial } = task.unet;
  return {
    landscapes: [{ name: 'whole', objective, layout, start: initial(seed), end, dispose: () => objective.dispose() }],
    trainingSeconds,
  };
}

/** As many steps as the denoiser takes for the same number of images. */
function stepsOf({ size }: LandscapeTrial, batchSize: number): number {
  return phaseSteps(size.images, [{ share: 1, size: batchSize }])[0]!;
}

async function heldOutBatch(
  { size }: LandscapeTrial,
  { heldOut }: TrialContext,
): Promise<{ images: NdArray; labels: Int32Array; noise: NdArray }> {
  const { images, labels } = await heldOut.read(evenlySpacedIndices(size.probeImages, heldOut.length));
  return {
    images: float32(toFloat(images), [size.probeImages, ...heldOut.shape]),
    labels: labels!,
    noise: fixedNoise(size.probeImages, heldOut.shape),
  };
}

/** Different from the seeds of training. */
const SEED = 79_462_404;

function fixedNoise(count: number, shape: readonly number[], step = 0): NdArray {
  const indices = Array.from({ length: count }, (_, i) => i);
  return normalBatch({ seed: SEED, stream: 'evaluation', step, indices }, shape);
}

/** Images per call of the generator. */
const CHUNK = 100;

/** `count` generated images, [count, H, W, C] in [-1, 1], from the same noise in every call. */
async function generated(
  { engine, train }: TrialContext,
  networks: GanNetworks,
  params: Float32Array,
  count: number,
): Promise<NdArray> {
  const program = engine.compile(
    (state, { noise }) => ({ outputs: { images: networks.generate(state['params']!, noise!) } }),
    { name: 'generator' },
  );
  const state = await program.load({ params: float32(params) });
  const pixels = train.shape.reduce((product, side) => product * side, 1);
  const all = new Float32Array(count * pixels);
  for (let first = 0; first < count; first += CHUNK) {
    const noise = fixedNoise(Math.min(CHUNK, count - first), train.shape, 1 + first / CHUNK);
    all.set((await program.run(state, { noise }))['images']!.data, first * pixels);
  }
  state.dispose();
  await program.dispose();
  return float32(all, [count, ...train.shape]);
}
