/** Is the loss landscape of diffusion models very smooth, and smoother than a GAN's? */
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
    'The loss landscape of diffusion models is very smooth (arXiv:2404.07946, abstract). We compare losses ' +
    'on lines and planes, and Hessian spectra, with a GAN, a VAE, and a classifier.',
  setup: (scale) => [
    `A diffusion model, a GAN, a VAE, and a classifier are each trained on ${screeningSize[scale].images} images, and again ` +
      `with seed + ${PARTNER} (the partner, which has other initial weights, data order, and noise). Losses are measured with ` +
      'the raw weights on fixed held-out images, noise, and latents. The loss of each GAN network is measured against the ' +
      'other network after training, so the trained weights are an equilibrium of two losses and not a minimum of either.',
    'Losses of different models have different units, so only ratios are compared. The drop is the loss before training ' +
      'minus the loss after training. The barrier is the maximum height of the loss above the straight line between its ' +
      'values at the two ends. The rise is the sum of all increases along the line. Random directions have the norm of the ' +
      'weights, filter by filter, so curvatures along them do not depend on the scale of the weights. The gap to convexity ' +
      'is the maximum distance of a slice above its lower convex hull, divided by its height.',
    'Limitations: a line contains no information about the loss elsewhere. Networks that differ only by a permutation of ' +
      'units are separated by a barrier too. Slices along random directions miss the few sharp directions. The drop depends ' +
      'on the initial loss and, for a GAN, on the opponent. The largest eigenvalue is for one batch, and Lanczos ' +
      'underestimates it. The networks also differ in size and architecture, which may cause differences as well.',
    'Hessian-vector products are differences of gradients. If they depend on the step size, as in networks with kinks (the ' +
      'leaky ReLUs of the discriminator, the classifier, and the encoder of the VAE), eigenvalues are not meaningful. They ' +
      `are not compared if the relative error of the products exceeds ${MAX_HESSIAN_ERROR} with any seed (a limit that was ` +
      'set after the error of a first classifier was 0.67).',
    'Differences are paired by seed, with 95 % confidence intervals (Student), so one in twenty is clear by chance. The ' +
      'rule was set before the measurements: the claim holds if diffusion is clearly smoother in more than half of the ' +
      'comparisons with the GAN and clearly rougher in none; it does not hold if diffusion is clearly smoother in none; ' +
      'otherwise it depends.',
  ],
  stages: [{ name: 'landscape', about: 'two runs of each type of model with each seed.', trials }],
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
        ? 'Undecided: too few runs are finished.'
        : `In ${ofGan.length} comparisons with the two networks of the GAN, diffusion is clearly smoother in ${smoother} and clearly ` +
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
  return [`Number of measures by which diffusion is clearly smoother and clearly rougher: than ${counts.join('; ')}.`];
}

function diffusionSentences(diffusion: ComparedLoss, others: readonly ComparedLoss[]): string[] {
  const poorlyTrained = others
    .filter((other) => (meanOverSeeds(other, 'riseFromStart')?.mean ?? 0) > 0.5)
    .map(({ name }) => name);
  const inexact = others.filter((other) => hessianError(other) > MAX_HESSIAN_ERROR).map(({ name }) => name);
  const withOthers = (measure: Parameters<typeof meanOverSeeds>[1]) =>
    `${formatOptional(meanOverSeeds(diffusion, measure))} (${others.map((other) => `${other.name} ${formatOptional(meanOverSeeds(other, measure))}`).join(', ')})`;
  return [
    `On the straight line from initial to trained weights, the loss increases by a total of ${withOthers('riseFromStart')} of its drop.`,
    `The barrier between two runs with different seeds is ${withOthers('barrierToPartner')} of the drop.`,
    `For the diffusion model, |most negative eigenvalue| / largest eigenvalue of the Hessian is ${formatOptional(meanOverSeeds(diffusion, 'negative'))}.`,
    ...(poorlyTrained.length === 0
      ? []
      : [
          `${poorlyTrained.join(', ')}: the loss increases by more than half of the drop on the line from the initial weights, so ` +
            'this network was not trained well, and its numbers are not meaningful.',
        ]),
    ...(inexact.length === 0
      ? []
      : [`The Hessian-vector products of ${inexact.join(', ')} are too inexact to compare eigenvalues.`]),
  ];
}

/** The curvature per noise range, from clean to noisy. */
function noiseRangeSentence(diffusion: readonly LandscapeResult[]): string[] {
  const names = diffusion[0]!.views.filter(({ isWhole }) => !isWhole).map(({ name }) => name);
  const of = names.map((name) => {
    const values = diffusion.map(({ views }) => roughnessOf(views.find((view) => view.name === name)!).topCurvature!);
    return `${formatOptional(confidenceInterval(values))} at ${name}`;
  });
  return [`By noise range, curvature in the sharpest direction / drop is ${of.join(', ')}.`];
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
