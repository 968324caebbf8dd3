/** Trains each type of model twice and provides its losses as functions of the parameters. */
import { normalBatch } from '@dm/core';
import { toFloat } from '@dm/data';
import type { FlatVector, Objective } from '@dm/eval';
import {
  discriminatorObjective,
  ganLayouts,
  initialGanWeights,
  generatorObjective,
  LATENT_SIZE,
  phaseSteps,
  createPhases,
  evenlySpacedIndices,
  trainGan,
  trainVae,
  trialSteps,
  vaeLayout,
  vaeObjective,
  initialVaeWeights,
  type GanRecipe,
  type TrainingRecipe,
  type VaeRecipe,
  type TrialContext,
} from '@dm/experiments';
import { type FlatLayout, float32, type NdArray } from '@dm/ops';
import { createProbeObjective, initialState, openNoiseProbe } from '@dm/trainer';
import { classifierLayout, classifierObjective, classifierStart, trainClassifier } from './classifier.js';
import { PARTNER, type ClassifierRecipe, type LandscapeTrial } from './trial.js';

/** A loss, with the initial and trained weights and those of the partner. */
export interface LossLandscape {
  /** `whole`, the name of a GAN network, or a range of timesteps such as `timesteps 0-249`. */
  readonly name: string;
  readonly objective: Objective;
  readonly layout: FlatLayout;
  /** Parameters before training, after training, and after training with another seed. */
  readonly start: FlatVector;
  readonly end: FlatVector;
  readonly partner: FlatVector;
  /** Whether to measure slices and a plane too. */
  readonly isWhole: boolean;
  dispose(): Promise<void>;
}

export interface LossLandscapes {
  readonly landscapes: readonly LossLandscape[];
  readonly trainingSeconds: number;
}

/**
 * Trains the model of a trial with its seed and with the seed of its partner.
 * @throws {Error} if training diverges
 */
export function openLandscapes(trial: LandscapeTrial, context: TrialContext): Promise<LossLandscapes> {
  const { recipe } = trial.arm;
  if (recipe.kind === 'diffusion') return diffusionLandscapes(trial, recipe.training, context);
  if (recipe.kind === 'gan') return ganLandscapes(trial, recipe, context);
  return recipe.kind === 'vae' ? vaeLandscapes(trial, recipe, context) : classifierLandscapes(trial, recipe, context);
}

/** Runs `train` with the seed of the trial and of its partner, and measures the time. */
async function trainPair<W>(
  { seed }: LandscapeTrial,
  train: (seed: number) => Promise<W>,
): Promise<{ a: W; b: W; trainingSeconds: number }> {
  const began = performance.now();
  const a = await train(seed);
  const b = await train(seed + PARTNER);
  return { a, b, trainingSeconds: (performance.now() - began) / 1000 };
}

async function diffusionLandscapes(
  trial: LandscapeTrial,
  training: TrainingRecipe,
  context: TrialContext,
): Promise<LossLandscapes> {
  const { engine, train, heldOut } = context;
  const { size } = trial;
  const { a, b, trainingSeconds } = await trainPair(trial, async (seed) => {
    const phases = createPhases({ ...trial, arm: { ...trial.arm, recipe: training }, seed }, train);
    const { setup } = phases[0]!;
    const start = Float32Array.from(initialState(setup)['params']!.data);
    let end = start;
    for await (const { step, state } of trialSteps(phases, engine)) {
      if (step < phases.at(-1)!.end) continue;
      end = Float32Array.from((await state.read(['params']))['params']!.data);
    }
    return { denoiser: setup, start, end };
  });
  const { denoiser, start, end } = a;
  const { layout } = denoiser;
  const params = float32(end);
  const landscapes: LossLandscape[] = [];
  for (const [buckets, images] of [
    [1, size.probeImages],
    [size.buckets, size.probeImages / 4],
  ] as const) {
    const probe = await openNoiseProbe(denoiser, engine, 'params', { buckets, images, dataset: heldOut });
    const state = await probe.load({ params });
    let open = buckets;
    for (const [k, { from, to }] of probe.setting.buckets.entries()) {
      landscapes.push({
        name: buckets === 1 ? 'whole' : `timesteps ${from}-${to - 1}`,
        objective: createProbeObjective(probe, state, layout.size, k),
        layout,
        start,
        end,
        partner: b.end,
        isWhole: buckets === 1,
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

async function ganLandscapes(trial: LandscapeTrial, recipe: GanRecipe, context: TrialContext): Promise<LossLandscapes> {
  const { engine, train } = context;
  const { shape } = train;
  const { a, b, trainingSeconds } = await trainPair(trial, (seed) =>
    trainGan({ train, engine, recipe, seed, steps: stepsOf(trial, recipe.batchSize) }),
  );
  const initial = initialGanWeights(shape, trial.seed);
  const layouts = ganLayouts(shape);
  const { images } = await heldOutBatch(trial, context);
  const latents = fixedLatents(trial.size.probeImages);
  // The loss of each network is measured against the other network after training.
  const objectives = {
    generator: await generatorObjective(engine, shape, { discriminator: a.discriminator, latents }),
    discriminator: await discriminatorObjective(engine, shape, { generator: a.generator, images, latents }),
  };
  const landscapes = (['generator', 'discriminator'] as const).map((network) => ({
    name: network,
    objective: objectives[network],
    layout: layouts[network],
    start: initial[network],
    end: a[network],
    partner: b[network],
    isWhole: true,
    dispose: () => objectives[network].dispose(),
  }));
  return { landscapes, trainingSeconds };
}

async function vaeLandscapes(trial: LandscapeTrial, recipe: VaeRecipe, context: TrialContext): Promise<LossLandscapes> {
  const { engine, train } = context;
  const { shape } = train;
  const { a, b, trainingSeconds } = await trainPair(trial, (seed) =>
    trainVae({ train, engine, recipe, seed, steps: stepsOf(trial, recipe.batchSize) }),
  );
  const { images } = await heldOutBatch(trial, context);
  const objective = await vaeObjective(engine, shape, { images, eps: fixedLatents(trial.size.probeImages) });
  return {
    landscapes: [
      {
        name: 'whole',
        objective,
        layout: vaeLayout(shape),
        start: initialVaeWeights(shape, trial.seed).params,
        end: a.params,
        partner: b.params,
        isWhole: true,
        dispose: () => objective.dispose(),
      },
    ],
    trainingSeconds,
  };
}

async function classifierLandscapes(
  trial: LandscapeTrial,
  recipe: ClassifierRecipe,
  context: TrialContext,
): Promise<LossLandscapes> {
  const { engine, train } = context;
  const { shape, classes } = train;
  const { a, b, trainingSeconds } = await trainPair(trial, (seed) =>
    trainClassifier({ train, engine, recipe, seed, steps: stepsOf(trial, recipe.batchSize) }),
  );
  const layout = classifierLayout(shape, classes.length);
  const { images, labels } = await heldOutBatch(trial, context);
  const objective = await classifierObjective(engine, layout, { images, labels, classes: classes.length });
  return {
    landscapes: [
      {
        name: 'whole',
        objective,
        layout,
        start: classifierStart(layout, trial.seed),
        end: a,
        partner: b,
        isWhole: true,
        dispose: () => objective.dispose(),
      },
    ],
    trainingSeconds,
  };
}

/** As many steps as the diffusion model takes for the same number of images. */
function stepsOf({ size }: LandscapeTrial, batchSize: number): number {
  return phaseSteps(size.images, [{ share: 1, size: batchSize }])[0]!;
}

async function heldOutBatch(
  { size }: LandscapeTrial,
  { heldOut }: TrialContext,
): Promise<{ images: NdArray; labels: Int32Array }> {
  const { images, labels } = await heldOut.read(evenlySpacedIndices(size.probeImages, heldOut.length));
  return {
    images: float32(toFloat(images), [size.probeImages, ...heldOut.shape]),
    labels: labels!,
  };
}

/** Different from the seeds of training. */
const SEED = 79_462_404;

function fixedLatents(count: number): NdArray {
  const indices = Array.from({ length: count }, (_, i) => i);
  return normalBatch({ seed: SEED, stream: 'evaluation', indices }, [LATENT_SIZE]);
}
