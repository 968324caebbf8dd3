/** Tables, sentences, and pictures of the second stage. */
import { formatInterval, type Picture, type StageResults, type Table } from '@dm/experiments';
import { decodeBytes } from './encoding.js';
import type { LatentsGroup, LatentsMeasure, LatentsResult } from './latents.js';
import { similarityOf, type Similarity } from './pairs.js';

const titles: Readonly<Record<LatentsMeasure, string>> = {
  cosine: 'Rotated latents and flows: cosine',
  residual: 'Flows: residual cosine, without what the Gaussian denoiser explains',
  beyondNoise: 'Flows: residual cosine, also without the noise',
};

const measures = ['cosine', 'residual', 'beyondNoise'] as const;

/** Similarity of a group, and whether samples agree; `void` if untrained models are not clearly less similar. */
export interface JudgedGroup {
  readonly arm: string;
  readonly name: string;
  readonly kind: LatentsGroup['kind'];
  readonly measure: LatentsMeasure;
  readonly value: Similarity;
  readonly agreement: 'reproduced' | 'more alike than chance' | 'unrelated' | 'undecided' | 'void';
}

/**
 * All groups of the stage by all measures. The control of a group of trained models is the same group of the arm
 * `untrained-<name>`.
 */
export function judgedGroups(results: StageResults<LatentsResult>): JudgedGroup[] {
  const valueOf = (group: LatentsGroup | undefined, measure: LatentsMeasure) => {
    const reports = group?.pairs[measure];
    return reports === undefined || reports.length === 0 ? undefined : similarityOf(reports);
  };
  return [...results].flatMap(([arm, [result]]) =>
    result!.groups.flatMap((group) =>
      measures.flatMap((measure): JudgedGroup[] => {
        const value = valueOf(group, measure);
        if (value === undefined) return [];
        const untrained = results
          .get(`untrained-${arm}`)?.[0]
          ?.groups.find(({ kind, name }) => kind === 'untrained' && name.replace('untrained ', '') === group.name);
        const control = valueOf(untrained, measure);
        const isUncontrolled = group.kind === 'trained' && control === undefined;
        const agreement = isUncontrolled ? 'undecided' : agreementOf(value, control);
        return [{ arm, name: group.name, kind: group.kind, measure, value, agreement }];
      }),
    ),
  );
}

function agreementOf(
  { same, overNearest, overRandom }: Similarity,
  control: Similarity | undefined,
): JudgedGroup['agreement'] {
  if (overNearest.low === undefined || overRandom.low === undefined) return 'undecided';
  const least = control && (control.same.high ?? control.same.mean);
  if (least !== undefined && !(same.low! > least)) return overRandom.low > 0 ? 'void' : 'unrelated';
  if (overNearest.low > 0) return 'reproduced';
  return overRandom.low > 0 ? 'more alike than chance' : 'unrelated';
}

/** What the page shows of the stage. */
export function latentsConclusion(results: StageResults<LatentsResult>) {
  const judged = judgedGroups(results);
  const rotated = judged.filter(({ arm, kind }) => arm.startsWith('aligned') && kind === 'trained');
  return {
    /** Continues the key number of the page. */
    key: rotated
      .map(({ name, value }) => `, ${value.same.mean.toFixed(2)} between ${name.slice(0, 3)}s with rotated latents`)
      .join(''),
    sentences: [
      ...judged
        .filter(({ kind, measure }) => kind === 'trained' && measure === 'cosine')
        .map((one) => sentence('cosine', one)),
      ...judged
        .filter(({ kind, measure }) => kind === 'trained' && measure === 'beyondNoise')
        .map((one) => sentence('residual cosine, also without the noise,', one)),
    ],
    tables: [
      ...measures.map((measure): Table => ({
        title: titles[measure],
        columns: ['models', 'pairs', 'same noise', 'random', 'nearest other', 'found', 'agreement'],
        rows: judged.filter((one) => one.measure === measure).map(row),
      })),
      modelTable(results),
    ],
    pictures: picture(results),
    numbers: judged.map(({ arm, name, kind, measure, agreement, value: { same, random } }) => ({
      arm,
      name,
      kind,
      measure,
      agreement,
      same,
      random: random.mean,
    })),
  };
}

const sentence = (measure: string, { name, value, agreement }: JudgedGroup): string =>
  `${name}: ${measure} ${formatInterval(value.same)}, ${formatInterval(value.random)} for random pairs, ` +
  `${formatInterval(value.nearest)} for the nearest other sample (${agreement}).`;

function row({ name, kind, value: { same, random, nearest, retrieved }, agreement }: JudgedGroup): string[] {
  const cells = [same, random, nearest, retrieved].map((interval) => formatInterval(interval));
  return [name, String(same.n), ...cells, kind === 'control' ? `control: ${agreement}` : agreement];
}

function modelTable(results: StageResults<LatentsResult>): Table {
  const mean = (values: readonly number[] | undefined, digits = 3) =>
    values === undefined || values.length === 0
      ? ''
      : (values.reduce((sum, value) => sum + value, 0) / values.length).toPrecision(digits);
  return {
    title: 'The models of the stage `latents`, means over seeds',
    columns: [
      'model',
      'what it is',
      'parameters',
      'FD-classifier',
      'R2 of the encoder',
      'bits per pixel, held-out',
      'R2 of an affine map of the noise',
    ],
    rows: [...results].map(([name, [result]]) => {
      const { about, parameters, quality, encoderR2, bitsPerDim, linearR2 } = result!;
      return [
        name,
        about,
        String(parameters),
        mean(quality.map(({ fd }) => fd)),
        mean(encoderR2),
        mean(bitsPerDim),
        mean(linearR2),
      ];
    }),
  };
}

function picture(results: StageResults<LatentsResult>): Picture[] {
  const [first] = [...results.values()].flat();
  if (first === undefined) return [];
  return [
    {
      name: 'latents',
      caption:
        'One model per row (the first two seeds), and one latent or noise per column. The latents of the second GAN or VAE ' +
        'are rotated to fit the first.',
      shape: first.shape,
      rows: [...results].flatMap(([arm, [result]]) =>
        result!.pictures.map(({ name, images }) => ({ name: `${arm}, ${name}`, images: decodeBytes(images) })),
      ),
      scale: 3,
    },
  ];
}
