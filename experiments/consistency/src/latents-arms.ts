/** The models of the second stage. */
import {
  ganRecipe,
  recipeAtScale,
  vaeRecipe,
  type Scale,
  type StageResults,
  type TrainingRecipe,
} from '@dm/experiments';
import { seeds, sizes } from './arms.js';
import { latentsStage, referencesOf, type LatentsRecipe, type LatentsTrial } from './latents.js';
import type { FlowRecipe } from './normalizing-flow.js';
import type { ConsistencyResult } from './result.js';

/** Arms of a smoke run. */
const SMOKE_ARMS = ['aligned-gan', 'aligned-vae', 'normalizing-flow', 'rectified-flow'];

/** The trials of the second stage, given the results of the first. */
export function latentsTrials(
  scale: Scale,
  models: StageResults<ConsistencyResult> | undefined,
): readonly LatentsTrial[] {
  const { references, comparedWith } = referencesOf(models);
  const isSmoke = scale === 'smoke';
  const { images } = sizes[scale];
  const fitted = isSmoke ? 200 : 4000;
  const encoder = { steps: isSmoke ? 2 : 600, batchSize: 64, lr: 2e-3 };
  const aligned = (of: Extract<LatentsRecipe['model'], { kind: 'aligned' }>['of']) =>
    ({ kind: 'aligned', of, fitted, encoder }) as const;
  const flow: FlowRecipe = {
    couplings: 8,
    hidden: 128,
    start: 'identity',
    lr: 1e-3,
    batchSize: 64,
    images: isSmoke ? images : 2 * images,
    emaHalfLife: 2000,
  };
  const normalizing = { kind: 'normalizing', flow, fitted } as const;
  const rectified: TrainingRecipe = {
    ...recipeAtScale(scale, { optimizer: { decay: { linearTo: 0.1 }, lr: scale === 'full' ? 2e-4 : 1e-2 } }),
    schedule: 'flow',
    prediction: 'flow',
  };
  const arm = (name: string, about: string, model: LatentsRecipe['model'], isTrained = true) => ({
    name,
    about,
    recipe: {
      model,
      isTrained,
      seeds: seeds[scale],
      comparedWith: model.kind === 'aligned' ? [] : comparedWith,
    } satisfies LatentsRecipe,
  });
  const arms = [
    arm('aligned-gan', 'the GAN, its latents rotated', aligned(ganRecipe)),
    arm('aligned-vae', 'the VAE, its latents rotated', aligned(vaeRecipe)),
    arm('normalizing-flow', 'RealNVP of 8 couplings with dense networks', normalizing),
    arm('rectified-flow', 'the UNet, as a rectified flow', { kind: 'rectified', training: rectified }),
    arm('untrained-aligned-gan', 'the GAN at its start, its latents rotated', aligned(ganRecipe), false),
    arm('untrained-aligned-vae', 'the VAE at its start, its latents rotated', aligned(vaeRecipe), false),
    arm('untrained-normalizing-flow', 'the normalizing flow at its start', normalizing, false),
    arm(
      'untrained-rectified-flow',
      'the rectified flow at its start',
      { kind: 'rectified', training: rectified },
      false,
    ),
  ];
  return arms
    .filter(({ name }) => !isSmoke || SMOKE_ARMS.includes(name))
    .map((one) => ({
      stage: latentsStage,
      arm: one,
      size: sizes[scale],
      seed: seeds[scale][0]!,
      references: one.recipe.comparedWith.length > 0 ? references : [],
    }));
}
