/**
 * The command line: `node dist/main.js --scale laptop` runs the trials whose results are missing and writes
 * results/laptop/README.md, or with `--report` only writes it; `--scale smoke` runs one tiny trial and keeps nothing.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openDataset } from '@dm/data';
import { featureStatistics } from '@dm/eval';
import { digitRuns } from '@dm/experiments';
import { atomicWriteFileAsync, makeFolder, readJsonFile } from '@dm/files';
import { allImages, checkRule, openDigitClassifier, readDigits } from './classifier.js';
import { bestRate, resultsPage } from './page.js';
import { readResults, requireOneClassifier } from './read-results.js';
import { finalists, scheduleFreeName, scheduleFreeRates, seeds, selectionSeed, timed } from './recipes.js';
import { BASELINE, measureSteps, stepsOf, type StepTimes } from './step-times.js';
import { runTrial, type TrialResult } from './trial.js';

const { values } = parseArgs({
  options: { scale: { type: 'string', default: 'smoke' }, report: { type: 'boolean', default: false } },
});
const here = fileURLToPath(new URL('..', import.meta.url));
const resultsFolder = join(here, 'results', 'laptop');
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'dm', 'start');

switch (values.scale) {
  case 'smoke':
    await smoke();
    break;
  case 'laptop':
    await (values.report ? writePage() : laptop());
    break;
  default:
    console.error('Use: main.js --scale smoke | laptop [--report]');
    process.exitCode = 1;
}

async function laptop(): Promise<void> {
  const saved = async <T>(name: string, compute: () => Promise<T>): Promise<T> => {
    const path = join(resultsFolder, `${name}.json`);
    if (existsSync(path)) return readJsonFile(path) as T;
    return write(path, await compute());
  };
  const times = await stepTimes(join(resultsFolder, 'step-times.json'));
  const classifier = await openDigitClassifier(join(cache, 'classifier.safetensors'));
  try {
    const test = await openDataset('mnist', { split: 'test' });
    const rule = await saved('rule', () => checkRule(classifier, test));
    console.log('rule', rule);
    requireOneClassifier(resultsFolder, [rule, classifier]);
    const { images, labels } = await allImages(test);
    const { features } = await readDigits(classifier, { data: images, shape: [test.length, ...test.shape] }, labels);
    const reference = featureStatistics({ values: features, dimension: classifier.dimensions });
    const trial = (group: string, recipe: string, seed: number): Promise<TrialResult> => {
      const name = `${recipe}.seed-${seed}`;
      return saved(`${group}/${name}`, () =>
        runTrial({
          recipe,
          seed,
          settings: ['plain', 'guidance 1.5'],
          images: 500,
          steps: stepsOf(recipe, times),
          classifier,
          reference,
          run: join(digitRuns, name),
          folder: join(cache, group, name),
        }),
      );
    };
    const rates: TrialResult[] = [];
    for (const lr of scheduleFreeRates) rates.push(await trial('rates', scheduleFreeName(lr), selectionSeed));
    const names = finalists(bestRate(rates));
    for (const seed of seeds) {
      for (const recipe of names) {
        await trial('finals', recipe, seed);
        await writePage();
      }
    }
  } finally {
    await classifier.dispose();
  }
}

async function writePage(): Promise<void> {
  const page = resultsPage(readResults(resultsFolder));
  await atomicWriteFileAsync(join(resultsFolder, 'README.md'), (file) => file.writeFile(page));
}

/** The step times in a file; recipes without any are measured and added. */
async function stepTimes(path: string): Promise<readonly StepTimes[]> {
  const known = existsSync(path) ? (readJsonFile(path) as StepTimes[]) : [];
  const missing = Object.entries(timed).filter(([name]) => known.every(({ ms }) => ms[name] === undefined));
  if (missing.length === 0) return known;
  return write(path, [...known, await measureSteps({ [BASELINE]: timed[BASELINE]!, ...Object.fromEntries(missing) })]);
}

/** Writes a result as JSON, and returns it. */
async function write<T>(path: string, value: T): Promise<T> {
  makeFolder(dirname(path));
  await atomicWriteFileAsync(path, (file) => file.writeFile(`${JSON.stringify(value)}\n`));
  return value;
}

/** One trial of a few steps: that everything runs. */
async function smoke(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dm-start-'));
  const classifier = await openDigitClassifier(join(folder, 'classifier.safetensors'), { split: 'test', epochs: 1 });
  try {
    const random = Uint8Array.from({ length: 40 * 28 * 28 }, (_, i) => (i * 7919) % 256);
    const { features } = await readDigits(classifier, { data: random, shape: [40, 28, 28, 1] }, new Int32Array(40));
    const reference = featureStatistics({ values: features, dimension: classifier.dimensions });
    const trial = {
      recipe: 'mnist',
      seed: 1,
      steps: 2,
      images: 100,
      settings: ['plain'],
      classifier,
      reference,
      run: join(folder, 'run'),
      folder,
    };
    console.log(JSON.stringify(await runTrial(trial)));
  } finally {
    await classifier.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}
