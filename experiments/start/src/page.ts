/** The page results/laptop/README.md. */
import { finalists, recipes, scheduleFreeName, scheduleFreeRates, selectionSeed } from './recipes.js';
import { BASELINE, measurementOf, relativeTime, stepsOf, type StepTimes } from './step-times.js';
import type { RuleCheck } from './classifier.js';
import type { TrialResult } from './trial.js';

export interface Results {
  readonly times: readonly StepTimes[];
  readonly rule: RuleCheck;
  /** Trials of schedule-free AdamW by learning rate, one seed. */
  readonly rates: readonly TrialResult[];
  /** Finished trials of the comparison. */
  readonly trials: readonly TrialResult[];
  /** Seeds of the whole comparison. */
  readonly seeds: readonly number[];
}

const percent = (value: number): string => `${(100 * value).toFixed(1)}%`;
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const range = (values: readonly number[], format: (value: number) => string) =>
  values.length === 1 ? '' : ` (${format(Math.min(...values))} to ${format(Math.max(...values))})`;

/** One row of a Markdown table per recipe and sampler setting: mean and range over the seeds. */
export function resultRows(trials: readonly TrialResult[]): string[] {
  const groups = new Map<string, { readable: number[]; fd: number[] }>();
  for (const { recipe, samples } of trials) {
    for (const [setting, { readable, fd }] of Object.entries(samples)) {
      const key = `\`${recipe}\` | ${setting}`;
      const group = groups.get(key) ?? { readable: [], fd: [] };
      group.readable.push(readable);
      group.fd.push(fd);
      groups.set(key, group);
    }
  }
  const decimal = (value: number) => value.toFixed(1);
  return [...groups].map(([key, { readable, fd }]) => {
    const cells = [
      readable.length,
      percent(mean(readable)) + range(readable, (value) => decimal(100 * value)),
      decimal(mean(fd)) + range(fd, decimal),
    ];
    return `| ${key} | ${cells.join(' | ')} |`;
  });
}

/** The learning rate whose guided samples have the smallest Fréchet distance: `npm start` guides its samples. */
export function bestRate(rates: readonly TrialResult[]): number {
  const distance = (lr: number) =>
    rates.find(({ recipe }) => recipe === scheduleFreeName(lr))!.samples['guidance 1.5']!.fd;
  return scheduleFreeRates.reduce((best, lr) => (distance(lr) < distance(best) ? lr : best));
}

/** On which machine which of the recipes were measured. */
function measurement(one: StepTimes, names: readonly string[], times: readonly StepTimes[]): string {
  const measured = names.filter((name) => name !== BASELINE && measurementOf(name, times) === one);
  return `${measured.map((name) => `\`${name}\``).join(', ')} on ${one.machine} (${one.ms[BASELINE]!.toFixed(0)} ms)`;
}

/** Markdown, as Prettier formats it except for the padding of tables. */
export function resultsPage({ times, rule, rates, trials, seeds }: Results): string {
  const names = finalists(bestRate(rates));
  const planned = names.length * seeds.length;
  const missing = planned - trials.length;
  const lines = [
    '# Which recipe `npm start` trains',
    '',
    'All recipes have the network (637,105 parameters; 64 more with a class for `none`), the batch size, and the data of the',
    'preset `mnist`, and as many steps as fit in its training time. Step times are medians, measured in turn with',
    `\`mnist\`: ${times.map((one) => measurement(one, names, times)).join('; ')}.`,
    '',
    '| recipe | what it is | step time / `mnist` | steps |',
    '| --- | --- | --- | --- |',
    ...names.map((name) => {
      const steps = stepsOf(name, times).toLocaleString('en-US');
      return `| \`${name}\` | ${recipes[name]!.description} | ${relativeTime(name, times).toFixed(2)} | ${steps} |`;
    }),
    '',
    'A digit counts as readable if a classifier that was trained on MNIST gives its label a probability of at least 0.98. By',
    `this rule ${percent(rule.testImages)} of the test images are readable, and ${percent(rule.averages)} of averages of two digits. FD is the`,
    'Fréchet distance between 500 samples and the test images in the features of this classifier; it is not an FID. Both',
    'sampler settings evaluate the network 50 times per image: `plain` is DDIM (Euler for the flow) with 50 steps,',
    '`guidance 1.5` is `dpmpp-2m` with 25. Means over the seeds, and the range in parentheses.',
    '',
    '| recipe | samples | seeds | readable | FD |',
    '| --- | --- | --- | --- | --- |',
    ...resultRows(trials),
    '',
    `The learning rate of schedule-free AdamW was chosen with seed ${selectionSeed}, by the FD of guided samples:`,
    '',
    '| recipe | samples | seeds | readable | FD |',
    '| --- | --- | --- | --- | --- |',
    ...resultRows(rates),
    '',
    'The preset `mnist` is the method of arXiv:2404.07946 (CLTS and MDLRC); it is trained without label dropout, so it cannot',
    'be guided.',
    '',
    ...(missing > 0 ? [`**${missing} of ${planned} trials are missing.**`, ''] : []),
    '`nx run experiment-start:compare` runs the trials that are missing, about five minutes each on two idle cores, and writes',
    'this page.',
    '',
  ];
  return lines.join('\n');
}
