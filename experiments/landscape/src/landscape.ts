/** Is the loss landscape of a UNet smoother if it is trained as a denoiser than on other tasks? */
import { scaleCaveats, type Conclusion, type Experiment, type Scale, type StageResults } from '@dm/experiments';
import {
  comparisons,
  hessianError,
  inexactSeeds,
  MAX_HESSIAN_ERROR,
  measureOverSeeds,
  noiseRanges,
  unresolvedSeeds,
  wholeLosses,
  type Comparison,
  type TaskViews,
} from './compare.js';
import { measuresOf, primaryMeasures, primaryNames } from './measures.js';
import type { LandscapeResult } from './run-trial.js';
import { figures, format, ganTable, measuresTable, ratiosTable } from './tables.js';
import { SEEDS_BY_NOISE, trials, type LandscapeTrial } from './trial.js';

/** Number of seeds that a verdict needs; set after the first seed had been seen. */
const MIN_SEEDS = 5;

export const landscape: Experiment<LandscapeTrial, LandscapeResult> = {
  name: 'landscape',
  summary: 'the loss landscape of diffusion models is very smooth',
  claim:
    'The loss landscape of diffusion models is very smooth (arXiv:2404.07946, abstract). We train the same UNet as a ' +
    'denoiser, as a GAN generator, as a masked autoencoder, and as a classifier, and compare the loss landscapes.',
  notice: 'The intervals of this experiment come from the seeds listed below, and it compares tasks, not recipes.',
  setup,
  stages: [{ name: 'landscape', about: 'one run of each task with each seed.', trials }],
  conclude,
};

function setup(scale: Scale): string[] {
  const [{ size, arm }] = trials(scale) as [LandscapeTrial];
  const { training } = arm.recipe as Extract<LandscapeTrial['arm']['recipe'], { kind: 'denoiser' }>;
  const batch = training.batch[0]!.size;
  return [
    `All tasks train the UNet of the other experiments, which has SiLU everywhere, for ${size.images / batch} steps of ${batch} ` +
      'images, from the same initial weights with the same seed. Only the output layer of the classifier differs: ten ' +
      'channels, averaged over all pixels, are the logits. Except for the denoiser, the timestep input is always 0. The ' +
      'autoencoder sees each image with half of its pixels hidden, chosen independently and set to 0, and its loss is the mean squared ' +
      'error of the hidden pixels: without a mask, the skip connections could copy the image, and without skip ' +
      'connections the network would not be the same. The generator maps a noise image to an image, against a ' +
      'discriminator with SiLU; its loss (non-saturating) is measured against the trained discriminator, so the trained ' +
      'weights are one side of an equilibrium and not a minimum.',
    `Denoiser, autoencoder, and classifier use Adam with a learning rate of ${training.optimizer.lr} (warm-up of ` +
      `${training.optimizer.warmup} steps, linear decay to a tenth); the GAN uses 0.001 and beta1 0.5. The learning rates were not tuned. The discriminator also sees the standard ` +
      'deviation of each pixel over the batch (arXiv:1710.10196): in the first run, without it, the generator collapsed to ' +
      'one image (FD-classifier 301 after training, 133 before), and was replaced.',
    `Losses are measured with the raw weights on ${size.probeImages} fixed held-out images and fixed noise, masks, and ` +
      `timesteps (noise ranges: ${size.probeImages / 4} images each, first ${SEEDS_BY_NOISE} seeds). The drop is the loss before training minus the loss after training. H is the ` +
      'Hessian at the trained weights. Curvatures are in units of the filters: S is the diagonal matrix of filter norms (0 ' +
      'for biases and norm scales), as for adaptive sharpness (arXiv:2102.11600), so rescaling a filter that a norm layer ' +
      `follows does not change them. Sharpness is the largest eigenvalue of S H S divided by the drop (Lanczos, ${size.lanczos} ` +
      `steps). Typical curvature is the root mean square of d H d over ${size.directions} filter-normalized random directions d ` +
      '(arXiv:1712.09913), divided by the drop. The third measure is |most negative| / largest eigenvalue of S H S. The gap ' +
      'to convexity is the maximum distance of the loss on the line above its lower convex hull, divided by its range; it ' +
      'is often 0, so it is reported and not tested.',
    'Hessian-vector products are central differences of gradients. Their error is the larger of two: the relative change ' +
      'of products with the gradient and with a random vector between the two best steps, and the relative residual of ' +
      `the largest eigenvalue at half the step. Eigenvalues are compared only with seeds for which it is below ${MAX_HESSIAN_ERROR} in both ` +
      'runs. The limit was set in advance, for whole tasks; that single seeds are left out was decided after one run of the ' +
      'classifier (seed 3) had exceeded it. In that run, the classifier is rougher than on average by both measures, so ' +
      'leaving it out does not favor the denoiser.',
    'Each measure of a task is divided by the measure of the denoiser with the same seed. Intervals are 95% confidence intervals of the ' +
      'geometric mean (Student on logarithms); p-values are corrected by Holm over all nine comparisons. The measures, the ' +
      'comparisons, and the limit of the error were fixed before any result of these runs was read.',
    'Limitations: the tasks have different losses, and dividing by the drop is one way of many to compare them; for a GAN ' +
      `the drop depends on the opponent. ${size.lanczos} Lanczos steps do not resolve the most negative eigenvalue of the ` +
      'denoiser and the autoencoder: the table counts the seeds with which its residual is larger than the eigenvalue, and the ' +
      'ratios also have a bound. This was noticed after the results had been read. The measures of each task include inexact ' +
      'seeds. The denoiser is trained with its gradient clipped to norm 1, like the other experiments, and the other tasks ' +
      'without clipping. One network, ' +
      'one data set, and one length of training.',
  ];
}

function conclude(results: Readonly<Record<string, StageResults<LandscapeResult>>>, scale: Scale): Conclusion {
  const all = results['landscape']!;
  const losses = wholeLosses(all);
  const denoiser = losses.find(({ name }) => name === 'denoiser');
  const others = losses.filter((task) => task !== denoiser);
  const ranges = noiseRanges(all.get('denoiser') ?? []);
  const seeds = denoiser?.seeds.length ?? 0;
  const inexact = losses.filter((task) => inexactSeeds(task).length > 0);
  const found = seeds === 0 || others.length < 3 ? [] : comparisons(denoiser!, others);
  const planned = new Set(trials(scale).map(({ seed }) => seed)).size;
  const isOpen = found.length === 0 || found.some(({ ratio }) => (ratio?.n ?? seeds) < MIN_SEEDS);
  return {
    ...(isOpen && { verdict: 'open' as const }),
    ...(found.length > 0 && {
      key: `sharpness relative to the denoiser (${seeds} of ${planned} seeds): ${ratiosOf(found, 'sharpness')}`,
    }),
    sentences: [
      ...(isOpen
        ? [
            `Undecided: all tasks are finished with ${seeds} of ${planned} seeds, and each comparison needs ${MIN_SEEDS}.`,
          ]
        : []),
      ...(found.length > 0 ? sentences(found, denoiser!, others, ranges, isOpen) : []),
      ...(inexact.length > 0
        ? [
            'Left out of the comparisons of eigenvalues, because the Hessian-vector products are too inexact: ' +
              `${inexact.map((task) => `${task.name}, seed ${inexactSeeds(task).join(', ')}`).join('; ')}.`,
          ]
        : []),
      scaleCaveats[scale],
    ],
    tables: [
      ratiosTable(found),
      measuresTable('Measures of each task; smaller is smoother', losses),
      measuresTable('The denoiser by noise range; each range has its own drop', ranges),
      ganTable(all.get('gan') ?? []),
    ],
    figures: figures(losses, found),
    numbers: {
      comparisons: found,
      tasks: losses.map((task) => ({
        name: task.name,
        seeds: task.seeds.map(({ seed, view }) => ({ seed, ...measuresOf(view) })),
      })),
    },
  };
}

const ratiosOf = (found: readonly Comparison[], measure: Comparison['measure']): string =>
  found
    .filter((one) => one.measure === measure)
    .map(({ other, ratio }) => `${other} ${format(ratio)}`)
    .join(', ');

function sentences(
  found: readonly Comparison[],
  denoiser: TaskViews,
  others: readonly TaskViews[],
  ranges: readonly TaskViews[],
  isOpen: boolean,
): string[] {
  const seeds = denoiser.seeds.length;
  const clear = found.filter(({ adjusted }) => adjusted !== undefined && adjusted < 0.05);
  const named = (which: readonly Comparison[]) =>
    which.length === 0
      ? ''
      : ` (${which.map(({ other, measure }) => `${other}: ${primaryMeasures[measure].split(':')[0]!}`).join('; ')})`;
  const smoother = clear.filter(({ ratio }) => ratio!.mean > 1);
  const rougher = clear.filter(({ ratio }) => ratio!.mean < 1);
  const quarters = ranges
    .slice(1)
    .map((range) => `${format(measureOverSeeds(range, 'sharpness'))} at ${range.name}`)
    .join(', ');
  const errors = [denoiser, ...others].map((task) => `${task.name} ${hessianError(task).toPrecision(2)}`).join(', ');
  return [
    ...(isOpen
      ? []
      : [
          `At this scale, with one UNet trained on four tasks and ${seeds} seeds, the denoiser is smoother in ${smoother.length} of ` +
            `${found.length} comparisons${named(smoother)}, rougher in ${rougher.length}${named(rougher)}, and ` +
            `${found.length - clear.length} are undecided (p < 0.05 after Holm's correction).`,
        ]),
    ...primaryNames.map(
      (measure) => `Ratio to the denoiser of ${primaryMeasures[measure]}: ${ratiosOf(found, measure)}.`,
    ),
    `With ${unresolvedSeeds(denoiser)} of ${seeds} seeds, the residual of the denoiser's most negative eigenvalue is larger than the ` +
      'eigenvalue. If it is added to the eigenvalue, the ratios are at least ' +
      `${found.flatMap(({ other, bound }) => (bound === undefined ? [] : [`${other} ${format(bound)}`])).join(', ')}.`,
    ...(quarters === '' ? [] : [`Sharpness of the denoiser by noise range: ${quarters}.`]),
    `Error of Hessian-vector products: ${errors}.`,
  ];
}
