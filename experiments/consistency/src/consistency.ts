/** Do different diffusion models generate the same images from the same noise, in contrast to GANs and VAEs? */
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
import { arms, seeds, sizes, type ConsistencyTrial } from './arms.js';
import type { ConsistencyResult } from './run-trial.js';
import { groups, similarity, type PairGroup, type Similarity } from './pairs.js';
import { decodeBytes } from './encoding.js';

type Results = StageResults<ConsistencyResult>;

/** Images per row of the picture. */
const COLUMNS = 16;
/** Arms that take several times as long as the UNet. */
const COSTLY_ARMS = ['wide', 'dit', 'uvit'];
/** Arms of a smoke run. */
const SMOKE_ARMS = ['unet', 'gan', 'vae'];

export const consistencyExperiment: Experiment<ConsistencyTrial, ConsistencyResult> = {
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
      'Controls: `random` compares with the samples of the other model in random order; `nearest other` with its nearest ' +
        'sample, excluding the one from the same noise; `found` is the fraction of samples for which the sample from the same ' +
        `noise is the nearest of all (1/${kept} by chance); and models with their initial weights.`,
      'Intervals are 95 % confidence intervals over pairs (Student). Pairs that share a model are not independent, so the ' +
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
          models.map((arm) => ({ stage: 'models', arm, size: sizes[scale], seed })),
        );
        // Two seeds of the cheap models come first, so that an interrupted run already has pairs.
        const rank = ({ arm, seed }: ConsistencyTrial) => (seed < 2 ? 0 : 2) + (COSTLY_ARMS.includes(arm.name) ? 1 : 0);
        return all.toSorted((x, y) => rank(x) - rank(y));
      },
    },
  ],
  conclude,
};

/** A group with its similarities. `pixels` contains cosine, SSIM, and MAE. */
interface Measured {
  readonly group: PairGroup;
  readonly pixels: readonly Similarity[];
  readonly features: Similarity;
  readonly ddpm?: Similarity;
  readonly early?: Similarity;
}

function conclude(all: Readonly<Record<string, Results>>, scale: Scale): Conclusion {
  const results = all['models']!;
  const measured = groups.flatMap((group): Measured[] => {
    const pixels = similarity(group, results, 'final', ['cosine', 'ssim', 'mae']);
    if (pixels === undefined) return [];
    const [features] = similarity(group, results, 'features', ['cosine'])!;
    const [ddpm] = similarity(group, results, 'ddpm', ['cosine']) ?? [];
    const [early] = similarity(group, results, 'early', ['cosine']) ?? [];
    return [{ group, pixels, features: features!, ...(ddpm && { ddpm }), ...(early && { early }) }];
  });
  return {
    ...judgment(measured, results, scale),
    tables: [
      similarityTable('Cosine, DDIM or latent', measured, ({ pixels }) => pixels[0]),
      similarityTable('Cosine, DDPM with shared noise at each step', measured, ({ ddpm }) => ddpm),
      similarityTable('SSIM, DDIM or latent', measured, ({ pixels }) => pixels[1]),
      similarityTable(
        'MAE in gray levels (0 to 255), DDIM or latent (lower is closer)',
        measured,
        ({ pixels }) => pixels[2],
      ),
      similarityTable('Feature cosine, DDIM or latent', measured, ({ features }) => features),
      similarityTable('Cosine after a quarter of the training, DDIM or latent', measured, ({ early }) => early),
      modelTable(results),
    ].filter(({ rows }) => rows.length > 0),
    figures: measured.length === 0 ? [] : [similarityFigure(measured)],
    pictures: samplePicture(results),
    numbers: { groups: measured.map(({ group, ...rest }) => ({ ...group, ...rest })) },
  };
}

/**
 * Whether samples from the same noise are closer than the nearest other sample, closer than random pairs, or neither.
 */
type Agreement = 'reproduced' | 'more alike than chance' | 'unrelated' | 'undecided';

function agreementOf({ overNearest, overRandom }: Similarity): Agreement {
  if (overNearest.low === undefined || overRandom.low === undefined) return 'undecided';
  if (overNearest.low > 0) return 'reproduced';
  return overRandom.low > 0 ? 'more alike than chance' : 'unrelated';
}

function judgment(
  measured: readonly Measured[],
  results: Results,
  scale: Scale,
): Pick<Conclusion, 'verdict' | 'key' | 'sentences'> {
  const of = (kind: PairGroup['kind']) => measured.filter(({ group }) => group.kind === kind);
  const cosines = ({ pixels, ddpm }: Measured) => [pixels[0]!, ...(ddpm ? [ddpm] : [])];
  const diffusion = of('diffusion').flatMap((one) => cosines(one).map(agreementOf));
  const contrast = of('contrast').flatMap((one) => cosines(one).map(agreementOf));
  const isOpen =
    measured.length < groups.length || [...diffusion, ...contrast].some((agreement) => agreement === 'undecided');
  const all = (list: readonly Agreement[], which: Agreement) => list.every((one) => one === which);
  const none = (list: readonly Agreement[], which: Agreement) => !list.includes(which);
  const verdict = isOpen
    ? 'open'
    : all(diffusion, 'reproduced') && none(contrast, 'reproduced')
      ? 'holds'
      : none(diffusion, 'reproduced') && none(diffusion, 'more alike than chance')
        ? 'does not hold'
        : 'depends';
  const groupSentence = ({ group, pixels: [cosine] }: Measured) =>
    `${group.name}: cosine ${formatInterval(cosine!.same)} for the same noise, ${formatInterval(cosine!.random)} for random pairs, ` +
    `${formatInterval(cosine!.nearest)} for the nearest other sample (${agreementOf(cosine!)}).`;
  const countText = (list: readonly Agreement[]) =>
    (['reproduced', 'more alike than chance', 'unrelated', 'undecided'] as const)
      .map((which) => [list.filter((one) => one === which).length, which] as const)
      .filter(([count]) => count > 0)
      .map(([count, which]) => `${count} ${which}`)
      .join(', ') || 'none';
  const range = (list: readonly Measured[]) => {
    const means = list.map(({ pixels: [cosine] }) => cosine!.same.mean).toSorted((a, b) => a - b);
    return `${means[0]!.toFixed(2)} to ${means.at(-1)!.toFixed(2)}`;
  };
  const isCompared = of('diffusion').length > 0 && of('contrast').length > 0;
  return {
    verdict,
    ...(isCompared && {
      key: `cosine ${range(of('diffusion'))} between diffusion models, ${range(of('contrast'))} between GANs or VAEs`,
    }),
    sentences: [
      ...(isOpen ? ['Undecided: a group of pairs is missing, or has only one pair and therefore no interval.'] : []),
      `Of ${diffusion.length} comparisons of trained diffusion models (groups of pairs, DDIM and DDPM), ${countText(diffusion)}; ` +
        `of ${contrast.length} of GANs and VAEs, ${countText(contrast)}. Reproduced means closer than the nearest other sample.`,
      ...[...of('diffusion'), ...of('contrast'), ...of('untrained')].map(groupSentence),
      ...qualitySentences(results),
      scaleCaveats[scale],
    ],
  };
}

/** Sample quality, because bad samples could be similar too. */
function qualitySentences(results: Results): string[] {
  const fd = (arm: string) => {
    const values = (results.get(arm) ?? []).map(({ quality }) => quality.fd);
    return values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0) / values.length;
  };
  const fdByArm = ['unet', 'dit', 'gan', 'vae', 'untrained-unet']
    .map((arm) => [arm, fd(arm)] as const)
    .filter(([, value]) => value !== undefined)
    .map(([arm, value]) => `${arm} ${value!.toPrecision(3)}`);
  return [`Sample quality, FD-classifier (lower is better): ${fdByArm.join(', ')}.`];
}

function similarityTable(
  title: string,
  measured: readonly Measured[],
  pick: (one: Measured) => Similarity | undefined,
): Table {
  return {
    title,
    columns: ['models', 'pairs', 'same noise', 'random', 'nearest other', 'found', 'agreement'],
    rows: measured.flatMap((one) => {
      const values = pick(one);
      if (values === undefined) return [];
      const { same, random, nearest, retrieved } = values;
      const cells = [same, random, nearest, retrieved].map((value) => formatInterval(value));
      return [[one.group.name, String(same.n), ...cells, agreementOf(values)]];
    }),
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
      'Cosine similarity of the samples of two models, after subtracting the mean image, for the same noise (DDIM, DDPM, or the latent of a GAN or VAE) and for the controls; intervals over pairs',
    xTitle: 'cosine (1: equal)',
    rows: measured.flatMap(({ group, pixels: [cosine], ddpm }) => [
      row(group.name, 'DDIM, or latent', cosine!.same),
      ...(ddpm ? [row(group.name, 'DDPM', ddpm.same)] : []),
      row(group.name, 'nearest other', cosine!.nearest),
      row(group.name, 'random', cosine!.random),
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
