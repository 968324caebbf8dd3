/** From a trial to losses as functions of parameters: two trainings of each kind of model, and what to look at. */
import { normalBatch } from '@dm/core';
import { toFloat } from '@dm/data';
import type { FlatVector, Objective } from '@dm/eval';
import {
  discriminatorObjective,
  ganLayouts,
  ganStart,
  generatorObjective,
  LATENT,
  phaseSteps,
  setUp,
  spreadIndices,
  trainGan,
  trainVae,
  vaeLayout,
  vaeObjective,
  vaeStart,
  type GanRecipe,
  type TrainingRecipe,
  type VaeRecipe,
  type Workshop,
} from '@dm/experiments';
import { type FlatLayout, float32, type NdArray } from '@dm/ops';
import { drawTimesteps, fetchBatch, initialState, noiseProbe, compileStep, probeObjective } from '@dm/trainer';
import { classifierLayout, classifierObjective, classifierStart, trainClassifier } from './classifier.js';
import { PARTNER, type ClassifierRecipe, type LandscapeTrial } from './trial.js';

/** A loss with three places in its landscape. */
export interface Scene {
  /** `whole`, or the timesteps of a range of noise: 0-249. */
  readonly name: string;
  readonly objective: Objective;
  readonly layout: FlatLayout;
  /** Parameters before training, after it, and after the training with another seed. */
  readonly start: FlatVector;
  readonly end: FlatVector;
  readonly partner: FlatVector;
  /** Whether slices and a plane are drawn as well. */
  readonly isWhole: boolean;
  dispose(): Promise<void>;
}

export interface Scenes {
  readonly scenes: readonly Scene[];
  readonly trainingSeconds: number;
}

/** Trains the model twice. Rejects with an Error where a training diverges. */
export function openScenes(trial: LandscapeTrial, shop: Workshop): Promise<Scenes> {
  const { recipe } = trial.arm;
  if (recipe.kind === 'diffusion') return diffusionScenes(trial, recipe.training, shop);
  if (recipe.kind === 'gan') return ganScenes(trial, recipe, shop);
  return recipe.kind === 'vae' ? vaeScenes(trial, recipe, shop) : classifierScenes(trial, recipe, shop);
}

/** Runs `train` for the trial's seed and its partner's, and counts the seconds. */
async function twice<W>(
  { seed }: LandscapeTrial,
  train: (seed: number) => Promise<W>,
): Promise<{ a: W; b: W; trainingSeconds: number }> {
  const began = performance.now();
  const a = await train(seed);
  const b = await train(seed + PARTNER);
  return { a, b, trainingSeconds: (performance.now() - began) / 1000 };
}

async function diffusionScenes(trial: LandscapeTrial, training: TrainingRecipe, shop: Workshop): Promise<Scenes> {
  const { engine, train, heldOut } = shop;
  const { size } = trial;
  const { a, b, trainingSeconds } = await twice(trial, async (seed) => {
    const [phase] = setUp({ ...trial, arm: { ...trial.arm, recipe: training }, seed }, train);
    const { recipe, end } = phase!;
    const initial = initialState(recipe);
    const start = Float32Array.from(initial['params']!.data);
    const stepper = await compileStep(recipe, engine, initial);
    for (let step = 0; step < end; step++) {
      const result = await stepper.run(step, await fetchBatch(recipe, step), drawTimesteps(recipe, step, undefined));
      if (!result.isFinite) throw new Error(`${trial.arm.name}, seed ${seed}, diverged at step ${step + 1}.`);
    }
    const { params } = await stepper.state.read(['params']);
    await stepper.dispose();
    return { denoiser: recipe, start, end: Float32Array.from(params!.data) };
  });
  const { denoiser, start, end } = a;
  const { layout } = denoiser;
  const params = float32(end);
  const scenes: Scene[] = [];
  for (const [buckets, images] of [
    [1, size.probeImages],
    [size.buckets, size.probeImages / 4],
  ] as const) {
    const probe = await noiseProbe(denoiser, engine, 'params', { buckets, images, dataset: heldOut });
    const state = await probe.load({ params });
    let open = buckets;
    for (const [k, { from, to }] of probe.setting.buckets.entries()) {
      scenes.push({
        name: buckets === 1 ? 'whole' : `timesteps ${from}-${to - 1}`,
        objective: probeObjective(probe, state, layout.size, k),
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
  return { scenes, trainingSeconds };
}

async function ganScenes(trial: LandscapeTrial, recipe: GanRecipe, shop: Workshop): Promise<Scenes> {
  const { engine, train } = shop;
  const { shape } = train;
  const { a, b, trainingSeconds } = await twice(trial, (seed) =>
    trainGan({ train, engine, recipe, seed, steps: stepsOf(trial, recipe.batchSize) }),
  );
  const initial = ganStart(shape, trial.seed);
  const layouts = ganLayouts(shape);
  const { images } = await examples(trial, shop);
  const latents = fixedNormal(trial.size.probeImages);
  // Each network's loss is that against the other one as it is after training.
  const objectives = {
    generator: await generatorObjective(engine, shape, { discriminator: a.discriminator, latents }),
    discriminator: await discriminatorObjective(engine, shape, { generator: a.generator, images, latents }),
  };
  const scenes = (['generator', 'discriminator'] as const).map((network) => ({
    name: network,
    objective: objectives[network],
    layout: layouts[network],
    start: initial[network],
    end: a[network],
    partner: b[network],
    isWhole: true,
    dispose: () => objectives[network].dispose(),
  }));
  return { scenes, trainingSeconds };
}

async function vaeScenes(trial: LandscapeTrial, recipe: VaeRecipe, shop: Workshop): Promise<Scenes> {
  const { engine, train } = shop;
  const { shape } = train;
  const { a, b, trainingSeconds } = await twice(trial, (seed) =>
    trainVae({ train, engine, recipe, seed, steps: stepsOf(trial, recipe.batchSize) }),
  );
  const { images } = await examples(trial, shop);
  const objective = await vaeObjective(engine, shape, { images, eps: fixedNormal(trial.size.probeImages) });
  return {
    scenes: [
      {
        name: 'whole',
        objective,
        layout: vaeLayout(shape),
        start: vaeStart(shape, trial.seed).params,
        end: a.params,
        partner: b.params,
        isWhole: true,
        dispose: () => objective.dispose(),
      },
    ],
    trainingSeconds,
  };
}

async function classifierScenes(trial: LandscapeTrial, recipe: ClassifierRecipe, shop: Workshop): Promise<Scenes> {
  const { engine, train } = shop;
  const { shape, classes } = train;
  const { a, b, trainingSeconds } = await twice(trial, (seed) =>
    trainClassifier({ train, engine, recipe, seed, steps: stepsOf(trial, recipe.batchSize) }),
  );
  const layout = classifierLayout(shape, classes.length);
  const { images, labels } = await examples(trial, shop);
  const objective = await classifierObjective(engine, layout, { images, labels, classes: classes.length });
  return {
    scenes: [
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

/** As many as the diffusion model takes for the same images. */
function stepsOf({ size }: LandscapeTrial, batchSize: number): number {
  return phaseSteps(size.images, [{ share: 1, size: batchSize }])[0]!;
}

async function examples(
  { size }: LandscapeTrial,
  { heldOut }: Workshop,
): Promise<{ images: NdArray; labels: Int32Array }> {
  const { images, labels } = await heldOut.read(spreadIndices(size.probeImages, heldOut.length));
  return {
    images: float32(toFloat(images), [size.probeImages, ...heldOut.shape]),
    labels: labels!,
  };
}

/** Of no training. */
const SEED = 79_462_404;

function fixedNormal(count: number): NdArray {
  const indices = Array.from({ length: count }, (_, i) => i);
  return normalBatch({ seed: SEED, stream: 'evaluation', indices }, [LATENT]);
}
