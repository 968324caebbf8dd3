/** Do different diffusion models generate the same images from the same noise, in contrast to GANs and VAEs? */
import type { PairMetricName } from '@dm/eval';
import {
  intervalFigure,
  formatInterval,
  scaleCaveats,
  type Conclusion,
  type Experiment,
  type ConfidenceInterval,
  type Picture,
  type Scale,
  type StageResults,
  type Table,
} from '@dm/experiments';
import { arms, gaussianArm, seeds, sizes, type ConsistencyTrial } from './arms.js';
import { latentsStage, type LatentsResult, type LatentsTrial } from './latents.js';
import { latentsTrials } from './latents-arms.js';
import { latentsConclusion } from './latents-report.js';
import type { ConsistencyResult } from './result.js';
import { groups, similarity, type PairGroup, type Similarity, type Space } from './pairs.js';
import type { PrefixSwap } from './prefix-swap.js';
import { decodeBytes } from './encoding.js';

type Results = StageResults<ConsistencyResult>;

/** Images per row of the picture. */
const COLUMNS = 16;
/** Arms that take several times as long as the UNet. */
const COSTLY_ARMS = ['wide', 'dit', 'uvit'];
/** Arms of a smoke run. */
const SMOKE_ARMS = ['unet', 'gan', 'vae', gaussianArm];

export const consistencyExperiment: Experiment<ConsistencyTrial | LatentsTrial, ConsistencyResult | LatentsResult> = {
  name: 'consistency',
  summary: 'the same noise makes the same images in every diffusion model, not in a GAN',
  claim:
    'Diffusion models with different initializations, or even different architectures, generate very similar images from ' +
    'the same noise, which is rare in other generative models (arXiv:2404.07946, abstract). We compare with a GAN and a VAE.',
  setup: (scale) => {
    const { images, samplerSteps, ddpmSteps, kept, samples } = sizes[scale];
    return [
      `Every diffusion model is trained on ${images} images with AdamW and a learning rate that decays linearly to one tenth ` +
        '(from 0.01 for UNets, from 0.005 for transformers), with the linear noise schedule, uniform timesteps, and unweighted ' +
        'MSE. GAN and VAE use the same decoder architecture with 16 latents, and the same number of images. All samples use ' +
        'EMA weights. A seed determines initial weights, data order, noise, and timesteps; all pairs have different seeds.',
      `Sample n of every diffusion model starts from the same noise, with DDIM (eta 0, ${samplerSteps} steps) and with DDPM ` +
        `(${ddpmSteps} steps, also with the same noise in each step). Sample n of every GAN and VAE uses the same latent. ` +
        `${kept} samples are compared. Cosine is the cosine similarity of the pixels, after subtracting the mean image of both ` +
        'sets: 1 for equal images, 0 for unrelated ones. Feature cosine is the same in the feature space of FD-classifier.',
      'The Gaussian denoiser is the optimal one for Gaussian data with the mean and covariance of the training images. It is ' +
        'linear, and needs no training. Its agreement with a network is what second-order statistics explain. Residual cosine ' +
        'is the cosine of what is left of two samples, relative to the mean images, after subtracting their projections onto ' +
        'the sample of the Gaussian denoiser from the same noise.',
      'Controls: `random` compares with the samples of the other model in random order; `nearest other` with its nearest ' +
        'sample, excluding the one from the same noise; `found` is the fraction of samples for which the sample from the same ' +
        `noise is the nearest of all (1/${kept} by chance); and models with their initial weights. A measure is void if ` +
        'the untrained UNets are not clearly less similar by it than the trained ones.',
      'Two trainings need not choose the same axes of the latents. In the stage `latents`, those of one GAN or VAE are therefore also ' +
        'rotated by the orthogonal matrix that fits best (Procrustes). For VAEs, it maps the means of one encoder for 4000 ' +
        "held-out images to the other's. For GANs, an encoder learns to find the latents of a GAN's own images, and the " +
        'matrix maps 4000 latents of the other GAN to what this encoder finds in its images. The compared samples are from ' +
        'other latents. Controls: the matrix fitted to shuffled pairs, a model and its copy with latents rotated by a matrix ' +
        'that the method does not know, and models with their initial weights. An ' +
        'untrained VAE does not even find the rotation of its copy, so the untrained GAN is the better control.',
      'The normalizing flow (RealNVP: 8 affine couplings with dense networks and checkerboard masks, on dequantized logits ' +
        'that are standardized per pixel) has noise of the size of an image: the noise of the diffusion models. It is trained ' +
        'by maximum likelihood with Adam, on twice as many images in batches of 64. Its couplings start as the identity; with random ' +
        'last layers it did not learn (457 to 1092 bits per pixel), and is left out. The rectified flow has the UNet and the ' +
        'training of the diffusion models, and is sampled with Euler steps.',
      'At their start, all normalizing flows are the same function of the noise, so their agreement is void unless the trained ' +
        'ones are even more similar. For both flows, the residual cosine is also given after subtracting the projection onto the noise. ' +
        'R2 of an affine map is the fraction of the variance of samples that an affine function of the noise ' +
        'explains, fitted to 4000 other samples.',
      'Intervals are 95% confidence intervals over pairs (Student). Pairs that share a model are not independent, so the ' +
        `intervals are too narrow. FD-classifier uses ${samples} samples.`,
    ];
  },
  stages: [
    {
      name: 'models',
      about: 'each model with each seed.',
      trials: (scale) => {
        const models = arms(scale).filter(({ name }) => scale !== 'smoke' || SMOKE_ARMS.includes(name));
        const all = seeds[scale].flatMap((seed) =>
          models
            .filter(({ name }) => name !== gaussianArm || seed === seeds[scale][0])
            .map((arm) => ({ stage: 'models', arm, size: sizes[scale], seed })),
        );
        // Two seeds of the cheap models come first, so that an interrupted run already has pairs.
        const rank = ({ arm, seed }: ConsistencyTrial) => (seed < 2 ? 0 : 2) + (COSTLY_ARMS.includes(arm.name) ? 1 : 0);
        return all.toSorted((x, y) => rank(x) - rank(y));
      },
    },
    {
      name: latentsStage,
      about:
        'models with all seeds in one run, which also measures the pairs: GANs and VAEs with rotated latents, and flows.',
      trials: (scale, before) => latentsTrials(scale, before['models'] as Results | undefined),
    },
  ],
  conclude,
};

/** What is measured of each pair of models, and the title of its table. */
const measures = [
  {
    name: 'residual',
    title: 'Residual cosine: without what the Gaussian denoiser explains',
    space: 'residual',
    metric: 'cosine',
  },
  { name: 'cosine', title: 'Cosine, DDIM or latent', space: 'final', metric: 'cosine' },
  { name: 'ddpm', title: 'Cosine, DDPM with shared noise at each step', space: 'ddpm', metric: 'cosine' },
  { name: 'ssim', title: 'SSIM, DDIM or latent', space: 'final', metric: 'ssim' },
  {
    name: 'mae',
    title: 'MAE in gray levels (0 to 255), DDIM or latent (lower is closer)',
    space: 'final',
    metric: 'mae',
  },
  { name: 'features', title: 'Feature cosine, DDIM or latent', space: 'features', metric: 'cosine' },
  { name: 'early', title: 'Cosine after a quarter of the training, DDIM or latent', space: 'early', metric: 'cosine' },
] as const satisfies readonly { name: string; title: string; space: Space; metric: PairMetricName }[];

type MeasureName = (typeof measures)[number]['name'];

/** A group with its similarities. Some models lack some of them: GANs have no DDPM. */
interface Measured {
  readonly group: PairGroup;
  readonly values: Readonly<Partial<Record<MeasureName, Similarity>>>;
}

function conclude(
  all: Readonly<Record<string, StageResults<ConsistencyResult | LatentsResult>>>,
  scale: Scale,
): Conclusion {
  const results = all['models'] as Results;
  const latents = latentsConclusion((all[latentsStage] ?? new Map()) as StageResults<LatentsResult>);
  const measured = groups.flatMap((group): Measured[] => {
    const values = measures
      // The Gaussian denoiser has no residual, and the latents of GANs and VAEs have nothing to do with its noise.
      .filter(({ name }) => name !== 'residual' || (group.kind !== 'gaussian' && isDiffusion(group)))
      .flatMap(({ name, space, metric }) => {
        const [value] = similarity(group, results, space, [metric]) ?? [];
        return value === undefined ? [] : [[name, value] as const];
      });
    return values.length === 0 ? [] : [{ group, values: Object.fromEntries(values) }];
  });
  const [gaussian] = results.get(gaussianArm) ?? [];
  const { sentences, key, ...judged } = judgment(measured, results, scale);
  return {
    ...judged,
    ...(key !== undefined && { key: key + latents.key }),
    sentences: [...sentences.slice(0, -1), ...latents.sentences, ...sentences.slice(-1)],
    tables: [
      ...measures.map((measure) => similarityTable(measure, measured)),
      ...latents.tables,
      prefixTable(gaussian?.prefixSwap ?? []),
      modelTable(results),
    ].filter(({ rows }) => rows.length > 0),
    figures: measured.length === 0 ? [] : [similarityFigure(measured)],
    pictures: [...samplePicture(results), ...latents.pictures],
    numbers: {
      groups: measured.map(({ group, values }) => ({ ...group, ...values })),
      latents: latents.numbers,
      ...(gaussian?.prefixSwap && { prefixSwap: gaussian.prefixSwap }),
    },
  };
}

/** Whether the models of a group start from noise of the size of an image. */
const isDiffusion = ({ arms: [arm] }: PairGroup): boolean => !/gan|vae/.test(arm);

/**
 * Whether samples from the same noise are closer than the nearest other sample, closer than random pairs, or neither. Void
 * if untrained networks are as close.
 */
type Agreement = 'reproduced' | 'more alike than chance' | 'unrelated' | 'undecided' | 'void';

function agreementOf(
  { kind }: PairGroup,
  { same, overNearest, overRandom }: Similarity,
  control?: Similarity,
): Agreement {
  if (overNearest.low === undefined || overRandom.low === undefined) return 'undecided';
  if (kind === 'diffusion' && control !== undefined && !isClearlyCloser(same, control)) return 'void';
  if (overNearest.low > 0) return 'reproduced';
  return overRandom.low > 0 ? 'more alike than chance' : 'unrelated';
}

/** Whether an interval is on the closer side of the control's, without overlap. */
function isClearlyCloser(same: ConfidenceInterval, { metric, same: control }: Similarity): boolean {
  const [inner, outer] = metric === 'mae' ? [control.low, same.high] : [same.low, control.high];
  return inner !== undefined && outer !== undefined && inner > outer;
}

/** The similarity of untrained UNets. */
const controlOf = (measured: readonly Measured[], name: MeasureName): Similarity | undefined =>
  measured.find(({ group }) => group.kind === 'untrained' && isDiffusion(group))?.values[name];

/** The agreements that decide: by residual cosine between diffusion models, and by cosine between GANs and VAEs. */
function judgment(
  measured: readonly Measured[],
  results: Results,
  scale: Scale,
): Pick<Conclusion, 'verdict' | 'key' | 'sentences'> {
  const of = (kind: PairGroup['kind'], name: MeasureName) =>
    measured.flatMap(({ group, values }) => {
      const value = values[name];
      if (group.kind !== kind || value === undefined) return [];
      return [{ group, value, agreement: agreementOf(group, value, controlOf(measured, name)) }];
    });
  const residual = of('diffusion', 'residual');
  const cosine = of('diffusion', 'cosine');
  const contrast = of('contrast', 'cosine');
  const gaussian = of('gaussian', 'cosine');
  const deciding = [...residual, ...contrast].map(({ agreement }) => agreement);
  const isOpen = measured.length < groups.length || deciding.includes('undecided');
  const all = (list: typeof residual, which: Agreement) => list.every(({ agreement }) => agreement === which);
  const none = (list: typeof residual, which: Agreement) => list.every(({ agreement }) => agreement !== which);
  const verdict = isOpen
    ? 'open'
    : all(residual, 'reproduced') && none(contrast, 'reproduced')
      ? 'holds'
      : none(residual, 'reproduced') && none(residual, 'more alike than chance')
        ? 'does not hold'
        : 'depends';
  const sentence = (measure: string, { group, value, agreement }: (typeof residual)[number]) =>
    `${group.name}: ${measure} ${formatInterval(value.same)} for the same noise, ${formatInterval(value.random)} for random pairs, ` +
    `${formatInterval(value.nearest)} for the nearest other sample (${agreement}).`;
  const countText = (list: typeof residual) =>
    (['reproduced', 'more alike than chance', 'unrelated', 'undecided', 'void'] as const)
      .map((which) => [list.filter(({ agreement }) => agreement === which).length, which] as const)
      .filter(([count]) => count > 0)
      .map(([count, which]) => `${count} ${which}`)
      .join(', ') || 'none';
  const range = (list: typeof residual) => {
    const means = list.map(({ value }) => value.same.mean).toSorted((a, b) => a - b);
    return `${means[0]!.toFixed(2)} to ${means.at(-1)!.toFixed(2)}`;
  };
  const isCompared = [residual, cosine, contrast, gaussian].every((list) => list.length > 0);
  return {
    verdict,
    ...(isCompared && {
      key:
        `cosine ${range(cosine)} between diffusion models, ${range(gaussian)} between them and a linear denoiser, ` +
        `${range(residual)} without what it explains; ${range(contrast)} between GANs or VAEs`,
    }),
    sentences: [
      ...(isOpen ? ['Undecided: a group of pairs is missing, or has only one pair and therefore no interval.'] : []),
      ...(isCompared
        ? [
            `The Gaussian denoiser, which needs no training, agrees with the networks at cosine ${range(gaussian)}; the networks ` +
              `agree with each other at ${range(cosine)}, and at ${range(residual)} without what the Gaussian denoiser explains.`,
          ]
        : []),
      `By residual cosine, of ${residual.length} groups of pairs of trained diffusion models ${countText(residual)}; by cosine, of ` +
        `${contrast.length} of GANs and VAEs ${countText(contrast)}. Reproduced means closer than the nearest other sample.`,
      ...voidSentences(measured),
      ...residual.map((one) => sentence('residual cosine', one)),
      ...[...cosine, ...gaussian, ...contrast, ...of('untrained', 'cosine')].map((one) => sentence('cosine', one)),
      ...qualitySentences(results),
      scaleCaveats[scale],
    ],
  };
}

/** Measures by which untrained UNets are as similar as some trained networks. */
function voidSentences(measured: readonly Measured[]): string[] {
  return measures.flatMap(({ name, title }) => {
    const control = controlOf(measured, name);
    const count = measured.filter(
      ({ group, values }) => values[name] && agreementOf(group, values[name], control) === 'void',
    ).length;
    if (control === undefined || count === 0) return [];
    return [`${title}: void for ${count} groups, because untrained UNets reach ${formatInterval(control.same)}.`];
  });
}

/** Sample quality, because bad samples could be similar too. */
function qualitySentences(results: Results): string[] {
  const fd = (arm: string) => {
    const values = (results.get(arm) ?? []).map(({ quality }) => quality.fd);
    return values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0) / values.length;
  };
  const fdByArm = ['unet', 'dit', gaussianArm, 'gan', 'vae', 'untrained-unet']
    .map((arm) => [arm, fd(arm)] as const)
    .filter(([, value]) => value !== undefined)
    .map(([arm, value]) => `${arm} ${value!.toPrecision(3)}`);
  return [`Sample quality, FD-classifier (lower is better): ${fdByArm.join(', ')}.`];
}

function similarityTable({ name, title }: (typeof measures)[number], measured: readonly Measured[]): Table {
  return {
    title,
    columns: ['models', 'pairs', 'same noise', 'random', 'nearest other', 'found', 'agreement'],
    rows: measured.flatMap(({ group, values }) => {
      const value = values[name];
      if (value === undefined) return [];
      const { same, random, nearest, retrieved } = value;
      const cells = [same, random, nearest, retrieved].map((interval) => formatInterval(interval));
      return [[group.name, String(same.n), ...cells, agreementOf(group, value, controlOf(measured, name))]];
    }),
  };
}

function prefixTable(swaps: readonly PrefixSwap[]): Table {
  return {
    title:
      'Samples of the posterior mean over the training images that stay the same if the Gaussian denoiser is used at t >= tau',
    columns: ['tau', 'same'],
    rows: swaps.map(({ from, same }) => [String(from), same.toFixed(3)]),
  };
}

function modelTable(results: Results): Table {
  const meanOf = (values: readonly number[], digits = 3) =>
    values.length === 0 ? '' : (values.reduce((a, b) => a + b, 0) / values.length).toPrecision(digits);
  return {
    title: 'The models, means over seeds',
    columns: [
      'model',
      'what it is',
      'seeds',
      'parameters',
      'validation loss of its own prediction',
      'FD-classifier',
      'cosine with the nearest training image',
    ],
    rows: [...results].map(([name, trials]) => [
      name,
      trials[0]!.about,
      String(trials.length),
      String(trials[0]!.parameters),
      meanOf(
        trials.flatMap(({ validation }) => validation?.loss ?? []),
        4,
      ),
      meanOf(trials.map(({ quality }) => quality.fd)),
      meanOf(trials.map(({ nearestTraining }) => nearestTraining)),
    ]),
  };
}

function similarityFigure(measured: readonly Measured[]) {
  const row = (name: string, group: string, { mean, low, high }: ConfidenceInterval) => ({
    name,
    group,
    mean,
    ...(low !== undefined && { low }),
    ...(high !== undefined && { high }),
  });
  return intervalFigure({
    name: 'cosine',
    caption:
      'Cosine similarity of the samples of two models, after subtracting the mean image, for the same noise (DDIM, DDPM, or the latent of a GAN or VAE), without what the Gaussian denoiser explains (residual), and for the controls; intervals over pairs',
    xTitle: 'cosine (1: equal)',
    rows: measured.flatMap(({ group, values: { cosine, ddpm, residual } }) => [
      ...(residual ? [row(group.name, 'residual', residual.same)] : []),
      ...(cosine ? [row(group.name, 'DDIM, or latent', cosine.same)] : []),
      ...(ddpm ? [row(group.name, 'DDPM', ddpm.same)] : []),
      ...(cosine ? [row(group.name, 'nearest other', cosine.nearest), row(group.name, 'random', cosine.random)] : []),
    ]),
    reference: 0,
  });
}

/** Samples with one model per row and one noise per column. */
function samplePicture(results: Results): Picture[] {
  const rows = [...results].flatMap(([, trials]) =>
    trials.slice(0, 2).map(({ arm, seed, samples, shape }) => ({
      name: `${arm}, seed ${seed}`,
      images: decodeBytes(samples.final).slice(0, COLUMNS * shape.reduce((product, side) => product * side, 1)),
    })),
  );
  const [first] = [...results.values()].flat();
  if (first === undefined) return [];
  return [
    {
      name: 'samples',
      caption:
        'One model per row (the first two seeds), and one initial noise (DDIM) or latent (GAN, VAE) per column. The latents ' +
        'are unrelated to the noise.',
      shape: first.shape,
      rows,
      scale: 3,
    },
  ];
}
