/** Is the loss landscape of diffusion models very smooth, and smoother than that of a GAN? */
import {
  screeningSize,
  confidenceInterval,
  scaleCaveats,
  type Conclusion,
  type Experiment,
  type Figure,
  type Scale,
  type StageResults,
} from '@dm/experiments';
import {
  noiseRangeTable,
  MAX_HESSIAN_ERROR,
  differences,
  differencesTable,
  hessianError,
  roughnessTable,
  meanOverSeeds,
  formatOptional,
  wholeLosses,
  type Difference,
  type Judgment,
  type ComparedLoss,
} from './compare.js';
import { noiseRangeSpectra, lineFigures, planeFigure, sliceFigure, spectraFigure } from './figures.js';
import type { LandscapeResult } from './run-trial.js';
import { roughnessOf } from './roughness.js';
import { PARTNER, trials, type LandscapeTrial } from './trial.js';

export const landscape: Experiment<LandscapeTrial, LandscapeResult> = {
  name: 'landscape',
  summary: 'the loss landscape of diffusion models is very smooth',
  claim:
    'The loss landscape of diffusion models is very smooth (arXiv:2404.07946, abstract); reviews tell of straight lines ' +
    'between weights and of Hessian spectra beside those of a GAN.',
  setup: (scale) => [
    `A diffusion model, a GAN, a VAE and a classifier are each trained on ${screeningSize[scale].images} images, and once more ` +
      `with the seed + ${PARTNER} (the partner: other start, order of data and noise). Losses are of the raw weights, on fixed ` +
      'held-out images, noise and latents. The loss of each of the two networks of the GAN is that against the other one as it ' +
      'is after training, so its end is a balance of two losses and no minimum of either.',
    'Losses of different models have different units, so only ratios are compared. The drop is the loss before training ' +
      'minus that after it. A barrier is the largest rise above the straight line between the losses of the two ends. A rise ' +
      'is the sum of all rises on the way. Random directions have the norm of the weights, filter by filter, so curvatures ' +
      'in them do not depend on the scale of weights; the gap to convexity is the largest distance of a slice above its ' +
      'convex hull, over its height.',
    'What they cannot tell: a line says nothing beside it; two ends that differ by a permutation of their units alone are ' +
      'parted by a barrier too; a slice along random directions misses the few sharp ones; the drop depends on how bad the ' +
      'start is, and on the loss against which opponent; the largest eigenvalue is that of one batch, and by Lanczos from below. The networks ' +
      'differ in size and kind as well, so a difference need not come from the kind of training.',
    'Products with the Hessian are differences of gradients. Where they depend on the step, as in networks with kinks (the ' +
      'leaky units of discriminator, classifier and the encoder of the VAE), eigenvalues say little: they are not compared where the error ' +
      `of the products is above ${MAX_HESSIAN_ERROR} at any seed (a limit set after a first classifier had shown 0.67).`,
    'Differences are taken seed by seed, with intervals of 95 % (Student): one in twenty is clear by chance alone. The rule, ' +
      'made before the numbers: the claim holds where diffusion is clearly smoother in more than half of the comparisons with ' +
      'the GAN and clearly rougher in none; it does not hold where it is clearly smoother in none; otherwise it depends.',
  ],
  stages: [{ name: 'landscape', about: 'two trainings of each kind of model at each seed.', trials }],
  conclude,
};

function conclude(results: Readonly<Record<string, StageResults<LandscapeResult>>>, scale: Scale): Conclusion {
  const all = results['landscape']!;
  const losses = wholeLosses(all);
  const diffusion = losses.find(({ name }) => name === 'diffusion');
  const others = losses.filter((loss) => loss !== diffusion);
  const found = diffusion === undefined ? [] : others.flatMap((other) => differences(diffusion, other));
  const ofGan = found.filter(({ other, judgment }) => other.startsWith('gan') && judgment !== 'Hessian too inexact');
  const open = ofGan.length === 0 || count(ofGan, 'not measured') > 0;
  const [smoother, rougher] = [count(ofGan, 'smoother'), count(ofGan, 'rougher')];
  const verdict = open
    ? 'open'
    : smoother > ofGan.length / 2 && rougher === 0
      ? 'holds'
      : smoother === 0
        ? 'does not hold'
        : 'depends';
  return {
    verdict,
    ...(!open && { key: `smoother than the GAN by ${smoother} of ${ofGan.length} measures, rougher by ${rougher}` }),
    sentences: [
      open
        ? 'Too few trainings are finished, so nothing is decided.'
        : `Of ${ofGan.length} comparisons with the two networks of the GAN, diffusion is clearly smoother in ${smoother} and clearly ` +
          `rougher in ${rougher}.`,
      ...(open
        ? []
        : [
            ...comparisonSentence(found),
            ...diffusionSentences(diffusion!, others),
            ...noiseRangeSentence(all.get('diffusion')!),
          ]),
      scaleCaveats[scale],
    ],
    tables: [roughnessTable(losses), differencesTable(found), noiseRangeTable(all.get('diffusion') ?? [])],
    figures: figures(losses, all.get('diffusion') ?? []),
    numbers: {
      differences: found.map(({ judgment, ...rest }) => ({ ...rest, judgement: judgment })),
      losses: losses.map(({ name, seeds }) => ({
        name,
        seeds: seeds.map(({ seed, view }) => ({ seed, ...roughnessOf(view) })),
      })),
    },
  };
}

const count = (found: readonly Difference[], which: Judgment): number =>
  found.filter(({ judgment }) => judgment === which).length;

function comparisonSentence(found: readonly Difference[]): string[] {
  const others = [...new Set(found.map(({ other }) => other))];
  const counts = others.map((other) => {
    const of = found.filter((one) => one.other === other);
    const compared = of.length - count(of, 'Hessian too inexact');
    return `${other} ${count(of, 'smoother')} and ${count(of, 'rougher')} of ${compared}`;
  });
  return [`Clearly smoother, and clearly rougher, than: ${counts.join('; ')}.`];
}

function diffusionSentences(diffusion: ComparedLoss, others: readonly ComparedLoss[]): string[] {
  const poorlyTrained = others
    .filter((other) => (meanOverSeeds(other, 'riseFromStart')?.mean ?? 0) > 0.5)
    .map(({ name }) => name);
  const inexact = others.filter((other) => hessianError(other) > MAX_HESSIAN_ERROR).map(({ name }) => name);
  const withOthers = (measure: Parameters<typeof meanOverSeeds>[1]) =>
    `${formatOptional(meanOverSeeds(diffusion, measure))} (${others.map((other) => `${other.name} ${formatOptional(meanOverSeeds(other, measure))}`).join(', ')})`;
  return [
    `On the straight line from start to end the loss rises by ${withOthers('riseFromStart')} of its drop in all.`,
    `Two trainings from different starts are parted by a barrier of ${withOthers('barrierToPartner')} drops.`,
    `The most negative eigenvalue of the diffusion model's Hessian is ${formatOptional(meanOverSeeds(diffusion, 'negative'))} of the largest.`,
    ...(poorlyTrained.length === 0
      ? []
      : [
          `${poorlyTrained.join(', ')}: on the line from its start lie places with a loss lower than that of its end by more than half the ` +
            'drop. It was not trained well, and its numbers say little.',
        ]),
    ...(inexact.length === 0
      ? []
      : [`Products with the Hessian of ${inexact.join(', ')} are too inexact for its eigenvalues to be compared.`]),
  ];
}

/** The ranges of noise from clean to noisy. */
function noiseRangeSentence(diffusion: readonly LandscapeResult[]): string[] {
  const names = diffusion[0]!.views.filter(({ isWhole }) => !isWhole).map(({ name }) => name);
  const of = names.map((name) => {
    const values = diffusion.map(({ views }) => roughnessOf(views.find((view) => view.name === name)!).topCurvature!);
    return `${formatOptional(confidenceInterval(values))} at ${name}`;
  });
  return [`By noise, the curvature in the sharpest direction over the drop is ${of.join(', ')}.`];
}

function figures(losses: readonly ComparedLoss[], diffusion: readonly LandscapeResult[]): Figure[] {
  if (losses.length === 0) return [];
  return [
    ...lineFigures(losses),
    sliceFigure(losses),
    planeFigure(losses),
    spectraFigure(losses),
    ...(diffusion[0] === undefined ? [] : [noiseRangeSpectra(diffusion[0])]),
  ];
}
