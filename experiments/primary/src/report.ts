/** The page of the results, README.md, from the committed JSON. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { power, type Interval } from '@dm/experiments';
import { markdownTable } from '@dm/trainer';
import { analyze, type Analysis } from './analysis.js';
import { planOf, statusLines, type Plan, type Seeds } from './plan.js';
import type { BoundsResult, FloorResult, Results } from './results.js';
import type { Size } from './sizes.js';

/** Writes the page, and returns its path. */
export function writeReport(results: Results, size: Size, seeds?: Seeds): string {
  const path = join(results.folder, 'README.md');
  writeFileSync(path, reportText(results, size, seeds));
  return path;
}

export function reportText(results: Results, size: Size, seeds?: Seeds): string {
  const plan = planOf(size, results, seeds);
  const done = plan.parts.flatMap((part) => part.done);
  const bounds = results.read('bounds') as BoundsResult | undefined;
  const floor = results.read('floor') as FloorResult | undefined;
  const analysis = analyze(done, size, bounds, floor);
  return `${[
    '# The primary experiment',
    'Written by `npm run experiments:report` from the JSON files in this folder. The plan is [PREREG.md](../../PREREG.md).',
    '## Progress',
    statusLines(plan)
      .map((line) => `- ${line}`)
      .join('\n'),
    ...tuningSection(plan),
    ...gateSection(analysis, bounds),
    ...speedupSection(analysis),
    ...deviationsSection(results),
  ].join('\n\n')}\n`;
}

const digits = (value: number) => value.toPrecision(3);

function tuningSection({ parts }: Plan): string[] {
  const rows = parts
    .flatMap(({ done }) => done)
    .filter(({ stage }) => stage === 'tuning')
    .map(({ prediction, recipe, lr, steps, points, hasDiverged, seconds }) => [
      prediction,
      recipe,
      String(lr),
      String(steps),
      hasDiverged ? 'diverged' : points.at(-1)!.losses['ema']!.geometricMean.toPrecision(4),
      seconds.training.toFixed(0),
    ]);
  if (rows.length === 0) return [];
  return [
    '## Learning rates',
    'E1 on held-out training images, one seed, which no final uses.',
    markdownTable(['prediction', 'recipe', 'learning rate', 'steps', 'E1', 'seconds of training'], rows),
  ];
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
  const columns = bounds.wiener.buckets.map((_, i) => (-5 + 1.2 * i).toFixed(1));
  return [
    '## The gate',
    'Loss over the Wiener filter’s in each noise range, by the lower end of the range in log SNR, on test images.',
    markdownTable(
      ['', 'length', ...columns, 'passes'],
      [
        ...gate.map(({ prediction, length, ratios, passes }) => [
          `baseline, ${prediction}`,
          `${length} N`,
          ...ratios.map(cell),
          passes ? 'yes' : 'no',
        ]),
        ['posterior mean', '', ...ratioOf(bounds.posteriorMean), ''],
        ['Wiener filter itself', '', ...bounds.wiener.buckets.map((loss) => (loss === null ? '–' : digits(loss))), ''],
      ],
    ),
  ];
}

function speedupSection({ seeds, rows, overDecay }: Analysis): string[] {
  if (rows.length === 0) return ['## Speed-ups', 'Not yet: two seeds must be complete.'];
  const factor = ({ value, low, high }: Pick<Interval, 'value' | 'low' | 'high'>) =>
    `${digits(Math.exp(value))} [${low === -Infinity ? '0' : digits(Math.exp(low))}, ${high === Infinity ? '∞' : digits(Math.exp(high))}]`;
  const powerAt = ({ standardError, df }: Interval) =>
    digits(power({ actual: Math.log(2.5), above: Math.log(1.5), standardError, df }));
  return [
    '## Speed-ups',
    `Images that the baseline needs for the same value, over the images of the recipe, with 95% intervals, paired by seed (seeds ${seeds.join(', ')}). p: adjusted by Holm's method over the four primary tests. Power: probability that the interval is above 1.5 if the speed-up is 2.5.`,
    markdownTable(
      ['prediction', 'endpoint', 'recipe', 'speed-up', 'seeds with a bound only', 'p', 'power', 'verdict'],
      rows.map(({ prediction, endpoint, recipe, estimate, adjustedP, verdict }) => [
        prediction,
        endpoint,
        recipe,
        factor(estimate),
        String(estimate.bounds),
        adjustedP === undefined ? '' : digits(adjustedP),
        powerAt(estimate),
        verdict ?? '',
      ]),
    ),
    'CLTS with MDLRC over linear decay at an equal number of images, with 90% intervals. An interval within 0.9 to 1.11 shows that the decay explains the speed-up.',
    markdownTable(
      ['prediction', 'endpoint', 'ratio of speed-ups', 'explained by the decay'],
      overDecay.map(({ prediction, endpoint, ratio }) => [
        prediction,
        endpoint,
        factor(ratio),
        ratio.low >= Math.log(0.9) && ratio.high <= Math.log(1 / 0.9) ? 'yes' : 'not shown',
      ]),
    ),
  ];
}
