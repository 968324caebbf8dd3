/** Do diffusion models that differ in all but the data make the same images of the same noise, and do others not? */
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

/** Images of a row of the picture. */
const COLUMNS = 16;
/** Arms that take several times as long as the UNet. */
const COSTLY_ARMS = ['wide', 'dit', 'uvit'];
/** Arms of a smoke run. */
const SMOKE_ARMS = ['unet', 'gan', 'vae'];

export const consistencyExperiment: Experiment<ConsistencyTrial, ConsistencyResult> = {
  name: 'consistency',
  summary: 'the same noise makes the same images in every diffusion model, not in a GAN',
  claim:
    'Diffusion models with different initializations, or even different architectures, make very similar images of the ' +
    'same noise; other generative models do not (arXiv:2404.07946, abstract; the GAN as contrast is from reviews).',
  setup: (scale) => {
    const { images, samplerSteps, ddpmSteps, kept, samples } = sizes[scale];
    return [
      `Every diffusion model is trained on ${images} images by AdamW with a learning rate that falls linearly to a tenth ` +
        '(0.01 for UNets, 0.005 for transformers), on the linear schedule with uniform timesteps and unweighted MSE. GAN and ' +
        'VAE share one decoder of 16 latents and see as many images. All samples are of EMA weights. A seed decides the ' +
        'weights at the start, the order of the data, noise and timesteps; all pairs are of different seeds.',
      `Sample n of every diffusion model is of the same initial noise: DDIM (eta 0, ${samplerSteps} steps), and DDPM ` +
        `(${ddpmSteps} steps) with the same noise at every step too. Sample n of every GAN and VAE is of the same latent. ` +
        `${kept} samples are compared. Cosine: of the pixels without the mean image of both sets; 1 is equal, 0 unlike. ` +
        'Feature cosine: the same in the features of the classifier that measures FD-classifier.',
      'Controls: `random`, with the other model’s samples in random order; `nearest`, with whichever of the other model’s ' +
        'samples is nearest, except the one of the same noise; `found`, the share of samples whose partner of the same ' +
        `noise is nearer than all others (by chance 1/${kept}); models at their start, which have seen no data.`,
      'Intervals are 95 %, over pairs (Student). Pairs that share a model are not independent, so the intervals are ' +
        `narrower than they should be. FD-classifier is of ${samples} samples.`,
    ];
  },
  stages: [
    {
      name: 'models',
      about: 'each model at each seed.',
      trials: (scale) => {
        const models = arms(scale).filter(({ name }) => scale !== 'smoke' || SMOKE_ARMS.includes(name));
        const all = seeds[scale].flatMap((seed) =>
          models.map((arm) => ({ stage: 'models', arm, size: sizes[scale], seed })),
        );
        // A run that is stopped early has two seeds of the cheaper models, so that there are pairs.
        const rank = ({ arm, seed }: ConsistencyTrial) => (seed < 2 ? 0 : 2) + (COSTLY_ARMS.includes(arm.name) ? 1 : 0);
        return all.toSorted((x, y) => rank(x) - rank(y));
      },
    },
  ],
  conclude,
};

/** A group with its likeness. `pixels` are cosine, SSIM and MAE. */
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
        'MAE in gray values of 255, DDIM or latent (lower is closer)',
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

/** Whether the same noise makes samples that are closer than look-alikes, closer than chance, or neither. */
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
      ...(isOpen ? ['Not decided: a group of pairs is missing, or has one pair only and so no interval.'] : []),
      `Of ${diffusion.length} comparisons of trained diffusion models (groups of pairs, DDIM and DDPM), ${countText(diffusion)}; ` +
        `of ${contrast.length} of GANs and VAEs, ${countText(contrast)}. Reproduced means: closer than the nearest other sample.`,
      ...[...of('diffusion'), ...of('contrast'), ...of('untrained')].map(groupSentence),
      ...qualitySentences(results),
      scaleCaveats[scale],
    ],
  };
}

/** Similar because bad? */
function qualitySentences(results: Results): string[] {
  const fd = (arm: string) => {
    const values = (results.get(arm) ?? []).map(({ quality }) => quality.fd);
    return values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0) / values.length;
  };
  const fdByArm = ['unet', 'dit', 'gan', 'vae', 'untrained-unet']
    .map((arm) => [arm, fd(arm)] as const)
    .filter(([, value]) => value !== undefined)
    .map(([arm, value]) => `${arm} ${value!.toPrecision(3)}`);
  return [`How good the samples are, FD-classifier (lower is better): ${fdByArm.join(', ')}.`];
}

function similarityTable(
  title: string,
  measured: readonly Measured[],
  pick: (one: Measured) => Similarity | undefined,
): Table {
  return {
    title,
    columns: ['models', 'pairs', 'same noise', 'random', 'nearest other', 'found', 'standing'],
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
      'validation loss of its own target',
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
      'Mean-removed cosine of two models’ samples, for the same noise (DDIM, DDPM, or the latent of a GAN or VAE) and the controls; intervals over pairs',
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

/** Rows: models; a column: one noise. Seeds differ from row to row. */
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
        'One column, one noise (DDIM) or latent (GAN, VAE; theirs is not the diffusion models’). One row, one model, ' +
        'of the first two seeds.',
      shape: first.shape,
      rows,
      scale: 3,
    },
  ];
}
