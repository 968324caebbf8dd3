/** The page of the results, README.md, from the committed JSON. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatLogRatio, power, randomEffects, rangeTitles, writeFigure, type Interval } from '@dm/experiments';
import { makeFolder } from '@dm/files';
import { markdownFigure, markdownTable } from '@dm/trainer';
import { halfWidth, untilFailure, type Analysis, type References } from './analysis.js';
import { figuresOf } from './figures.js';
import { analysisOf, planOf, referencesOf, statusLines, type Plan, type PlannedAnalysis } from './plan.js';
import { openResults, planFile, type BoundsResult, type Results, type TrialResult } from './results.js';
import { laptop, type Size } from './sizes.js';

/** Writes the page and its figures, and returns the path of the page. */
export async function writeReport(results: Results, size: Size): Promise<string> {
  const path = join(results.folder, 'README.md');
  const folder = join(results.folder, 'figures');
  makeFolder(folder);
  writeFileSync(path, reportText(results, size));
  const figures = figuresOf(resultsOf(planOf(size, results)), size, referencesOf(results));
  for (const figure of figures) await writeFigure(folder, figure);
  const names = new Set(figures.map(({ name }) => `${name}.svg`));
  for (const name of readdirSync(folder)) if (!names.has(name) && name.endsWith('.svg')) rmSync(join(folder, name));
  return path;
}

const resultsOf = ({ parts }: Plan) => parts.flatMap((part) => part.done);

export function reportText(results: Results, size: Size): string {
  const plan = planOf(size, results);
  const done = resultsOf(plan);
  const references = referencesOf(results);
  const analysis = analysisOf(plan, size, references);
  return `${[
    '# The primary experiment',
    `Written by \`npm run experiments:report\` from the JSON files in this folder. The plan is [${planFile(size)}](../../${planFile(size)}).`,
    '## Progress',
    [...statusLines(plan), ...surroundings(results, done)].map((line) => `- ${line}`).join('\n'),
    ...tuningSection(done),
    ...interruptedSection(results),
    ...gateSection(analysis, references.bounds),
    ...speedupSection(analysis),
    ...(size.name === 'card' ? mergedSection(analysis, laptopAnalysis(results)) : []),
    ...valuesSection(done, references),
    ...figuresSection(done, size, references),
    ...deviationsSection(results),
  ].join('\n\n')}\n`;
}

/** The machines, devices, and numbers of threads, and the commit of the finals once there is one. */
function surroundings(results: Results, done: readonly TrialResult[]): string[] {
  const counts = (of: (result: TrialResult) => string) =>
    [...new Set(done.map(of))]
      .map((value) => `${value} (${done.filter((one) => of(one) === value).length} trials)`)
      .join('; ');
  const code = results.read('code') as { readonly commit: string } | undefined;
  return [
    ...(done.length === 0
      ? []
      : [
          `machines: ${counts(({ machine }) => machine)}`,
          `devices: ${counts(({ device }) => device ?? 'cpu')}`,
          `threads: ${counts(({ threads }) => String(threads ?? 'chosen by the engine'))}`,
        ]),
    ...(code === undefined ? [] : [`commit of the finals: ${code.commit}`]),
  ];
}

const digits = (value: number) => value.toPrecision(3);
const fourDigits = (value: number) => (Number.isFinite(value) ? value.toPrecision(4) : 'not finite');

/** A speed-up from its logarithm, with its interval. */
const factor = (estimate: Pick<Interval, 'value' | 'low' | 'high'>) => formatLogRatio(estimate, digits);

function tuningSection(done: readonly TrialResult[]): string[] {
  const rows = done
    .filter(({ stage }) => stage === 'tuning')
    .map(({ prediction, recipe, lr, steps, seed, points, hasDiverged, seconds }) => [
      prediction,
      recipe,
      String(lr),
      String(steps),
      String(seed),
      hasDiverged ? 'diverged' : fourDigits(points.at(-1)!.losses['ema']!.geometricMean),
      seconds.training.toFixed(0),
    ]);
  if (rows.length === 0) return [];
  return [
    '## Learning rates',
    'E1 on held-out training images, with seeds that no final uses.',
    markdownTable(['prediction', 'recipe', 'learning rate', 'steps', 'seed', 'E1', 'seconds of training'], rows),
  ];
}

/** Finals of an earlier version of the plan. */
function interruptedSection(results: Results): string[] {
  const rows = results.interrupted().map(({ prediction, recipe, lr, steps, seed, points }) => {
    const { losses, kd, fd } = points.at(-1)!;
    const values = [losses['ema']!.geometricMean, kd, fd].map((value) => fourDigits(value ?? NaN));
    return [prediction, recipe, String(lr), String(steps), String(seed), ...values];
  });
  if (rows.length === 0) return [];
  return [
    '## Interrupted finals',
    'On test images, with a learning rate that was given up (see the deviations below). The analysis does not use them.',
    markdownTable(['prediction', 'recipe', 'learning rate', 'steps', 'seed', 'E1', 'KD', 'FD'], rows),
  ];
}

function figuresSection(done: readonly TrialResult[], size: Size, references: References): string[] {
  const figures = figuresOf(done, size, references).map(({ name, caption }) =>
    markdownFigure(`figures/${name}.svg`, caption),
  );
  return figures.length === 0 ? [] : ['## Figures', ...figures];
}

/** What was done otherwise than PREREG.md says, from `deviations.json`: an array of sentences. */
function deviationsSection(results: Results): string[] {
  const deviations = (results.read('deviations') as readonly string[] | undefined) ?? [];
  const list = deviations.map((one) => `- ${one}`).join('\n');
  return ['## Deviations from the plan', list === '' ? 'None so far.' : list];
}

function gateSection({ gate }: Analysis, bounds: BoundsResult | undefined): string[] {
  if (bounds === undefined) return [];
  const cell = (value: number | null) => (value === null ? '–' : value.toFixed(3));
  const ratioOf = (losses: BoundsResult['wiener']) =>
    losses.buckets.map((loss, i) => cell(loss === null ? null : loss / bounds.wiener.buckets[i]!));
  const columns = rangeTitles(bounds.wiener.buckets.length);
  return [
    '## The gate',
    'Loss over the Wiener filter’s in each noise range, by the lower end of the range in log SNR, on test images. The posterior mean is measured on 256 of them. The column of baselines counts the runs in each mean.',
    markdownTable(
      ['', 'length', 'baselines', ...columns, 'passes'],
      [
        ...gate.map(({ prediction, length, baselines, ratios, passes }) => [
          `baseline, ${prediction}`,
          `${length} N`,
          String(baselines),
          ...ratios.map(cell),
          passes ? 'yes' : 'no',
        ]),
        ['posterior mean', '', '', ...ratioOf(bounds.posteriorMean), ''],
        [
          'Wiener filter itself',
          '',
          '',
          ...bounds.wiener.buckets.map((loss) => (loss === null ? '–' : digits(loss))),
          '',
        ],
      ],
    ),
  ];
}

/** The speed-ups with their intervals and verdicts. */
export function speedupSection({ seeds, rows, overDecay, plannedSeeds, isPreliminary }: PlannedAnalysis): string[] {
  if (rows.length === 0) return ['## Speed-ups', 'Not yet: two seeds must be complete.'];
  const powerAt = ({ standardError, df }: Interval) =>
    digits(power({ actual: Math.log(2.5), above: Math.log(1.5), standardError, df }));
  const isExplained = ({ low, high }: Interval) => low >= Math.log(0.9) && high <= Math.log(1.11);
  return [
    '## Speed-ups',
    ...(isPreliminary ? [`**Preliminary: ${seeds.length} of ${plannedSeeds} planned seeds are used.**`] : []),
    `Images that the baseline needs for the same value, over the images of the recipe, with 95% intervals, paired by seed (seeds ${seeds.join(', ')}). Half-width: of the interval of the logarithm. p: adjusted by Holm's method over the primary tests. Power: probability that the interval is above 1.5 if the speed-up is 2.5.`,
    markdownTable(
      [
        'prediction',
        'endpoint',
        'recipe',
        'speed-up',
        'half-width',
        'seeds with a bound only',
        'p',
        'power',
        'verdict',
      ],
      rows.map(({ prediction, endpoint, recipe, estimate, adjustedP, verdict }) => [
        prediction,
        endpoint,
        recipe,
        factor(estimate),
        // 0 if no seed has a value.
        estimate.standardError > 0 ? digits(halfWidth(estimate)) : 'unknown',
        String(estimate.bounds),
        adjustedP === undefined ? '' : digits(adjustedP),
        estimate.bounds > 0 ? '' : powerAt(estimate),
        verdict ?? '',
      ]),
    ),
    'CLTS with MDLRC over linear decay at an equal number of images, with 90% intervals. An interval within 0.9 to 1.11 shows that the decay explains the speed-up.',
    markdownTable(
      ['prediction', 'endpoint', 'ratio of speed-ups', 'explained by the decay'],
      overDecay.map(({ prediction, endpoint, ratio }) => [
        prediction,
        endpoint,
        ratio === undefined ? 'only a bound is known' : factor(ratio),
        ratio !== undefined && isExplained(ratio) ? 'yes' : 'not shown',
      ]),
    ),
  ];
}

/** Of the experiment at 16x16, which has its results in the same folder. */
function laptopAnalysis({ folder }: Results): PlannedAnalysis {
  const results = openResults(join(folder, '..', '..'), laptop);
  return analysisOf(planOf(laptop, results), laptop, referencesOf(results));
}

type MergedAnalysis = Pick<PlannedAnalysis, 'rows' | 'isPreliminary'>;

/** Speed-ups in E1 that are known of both experiments, merged by random effects. */
export function mergedSection(own: MergedAnalysis, other: MergedAnalysis): string[] {
  const known = ({ rows }: MergedAnalysis) =>
    rows.filter(
      ({ prediction, endpoint, estimate }) => prediction === 'epsilon' && endpoint === 'E1' && estimate.bounds === 0,
    );
  const merged = known(own).flatMap(({ recipe, estimate }) => {
    const found = known(other).find((row) => row.recipe === recipe);
    return found === undefined ? [] : [{ recipe, ...randomEffects([estimate, found.estimate]) }];
  });
  if (merged.length === 0) return [];
  return [
    '## Merged with the experiment at 16x16',
    ...(own.isPreliminary || other.isPreliminary ? ['**Preliminary: finals of an experiment are missing.**'] : []),
    'Speed-ups in E1 with epsilon of both experiments, by random effects (DerSimonian and Laird 1986), with 95% intervals.',
    markdownTable(
      ['recipe', 'speed-up', 'standard deviation between experiments, of the logarithm'],
      merged.map(({ recipe, between, ...estimate }) => [recipe, factor(estimate), digits(Math.sqrt(between))]),
    ),
  ];
}

/**
 * Means of the values that the analysis starts from, of the finals and the secondary runs at hand, without what a run
 * reached from its failure on.
 */
export function valuesSection(done: readonly TrialResult[], references: References): string[] {
  const { floor } = references;
  const measured = done.filter(({ stage }) => stage !== 'tuning').map((result) => untilFailure(result, references));
  if (measured.length === 0) return [];
  const groups = new Map<string, TrialResult[]>();
  for (const run of measured) {
    const key = [run.prediction, run.recipe, run.steps].join('/');
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  const mean = (values: readonly (number | undefined)[]) => {
    const known = values.filter((value) => value !== undefined).filter((value) => Number.isFinite(value));
    return known.length === 0 ? '–' : (known.reduce((sum, value) => sum + value, 0) / known.length).toPrecision(4);
  };
  const rows = [...groups.values()].flatMap((runs) => {
    const [{ prediction, recipe, steps }] = runs as [TrialResult];
    // Of the runs that did not fail, and at least the last one.
    const stepsMeasured = [...new Set([...runs.flatMap(({ points }) => points.map(({ step }) => step)), steps])];
    return stepsMeasured
      .toSorted((a, b) => a - b)
      .map((step) => {
        const points = runs.flatMap((run) => run.points.filter((point) => point.step === step));
        const loss = (average: string) => mean(points.map(({ losses }) => losses[average]?.geometricMean));
        return [
          prediction,
          recipe,
          String(step),
          String(steps),
          String(points.length),
          String(runs.length - points.length),
          loss('ema'),
          loss('half-1'),
          loss('half-20'),
          mean(points.map(({ kd }) => kd)),
          mean(points.map(({ fd }) => fd)),
        ];
      });
  });
  const failed = measured.filter(({ hasDiverged }) => hasDiverged);
  return [
    '## Values',
    'Means over the seeds that had not failed by then. E1 of the averages with half-lives of 5%, 1%, and 20% of the images; the last two are measured with one draw of noise, and so at other noise levels. KD and FD between samples and test images.',
    markdownTable(
      ['prediction', 'recipe', 'steps', 'of', 'seeds', 'failed', 'E1', 'E1, 1%', 'E1, 20%', 'KD', 'FD'],
      [
        ...rows,
        ...(floor === undefined
          ? []
          : [
              [
                'training images',
                '',
                '',
                '',
                '',
                '',
                '',
                '',
                '',
                `${digits(floor.kd.value)} ± ${digits(floor.kd.spread)}`,
                `${digits(floor.fd.value)} ± ${digits(floor.fd.spread)}`,
              ],
            ]),
      ],
    ),
    ...(failed.length === 0 ? [] : [`Failed: ${failed.map(({ name }) => name).join(', ')}.`]),
  ];
}
