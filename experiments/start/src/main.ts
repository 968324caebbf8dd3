/**
 * The command line: `node dist/main.js --scale laptop` runs the trials whose results are missing and writes
 * results/laptop/README.md; `--scale smoke` runs one tiny trial and keeps nothing.
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
import { recipes, seeds } from './recipes.js';
import { measureSteps, type StepTimes } from './step-times.js';
import { resultsPage } from './page.js';
import { runTrial, type TrialResult } from './trial.js';

const { values } = parseArgs({ options: { scale: { type: 'string', default: 'smoke' } } });
const here = fileURLToPath(new URL('..', import.meta.url));
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'dm', 'start');

switch (values.scale) {
  case 'smoke':
    await smoke();
    break;
  case 'laptop':
    await laptop();
    break;
  default:
    console.error('Use: main.js --scale smoke | laptop');
    process.exitCode = 1;
}

async function laptop(): Promise<void> {
  const folder = join(here, 'results', 'laptop');
  const saved = async <T>(name: string, compute: () => Promise<T>): Promise<T> => {
    const path = join(folder, `${name}.json`);
    if (existsSync(path)) return readJsonFile(path) as T;
    const value = await compute();
    makeFolder(dirname(path));
    await atomicWriteFileAsync(path, (file) => file.writeFile(`${JSON.stringify(value)}\n`));
    return value;
  };
  const times = await saved<StepTimes>('step-times', () => measureSteps(recipes));
  const classifier = await openDigitClassifier(join(cache, 'classifier.safetensors'));
  try {
    const test = await openDataset('mnist', { split: 'test' });
    const rule = await saved('rule', () => checkRule(classifier, test));
    console.log('rule', rule);
    const { images, labels } = await allImages(test);
    const { features } = await readDigits(classifier, { data: images, shape: [test.length, ...test.shape] }, labels);
    const reference = featureStatistics({ values: features, dimension: classifier.dimensions });
    const trials: TrialResult[] = [];
    for (const seed of seeds) {
      for (const recipe of Object.keys(recipes)) {
        const name = `finals/${recipe}.seed-${seed}`;
        const trial = await saved(name, () =>
          runTrial({
            recipe,
            seed,
            settings: ['plain', 'guidance 1.5'],
            images: 500,
            steps: times.steps[recipe]!,
            classifier,
            reference,
            run: join(digitRuns, `${recipe}.seed-${seed}`),
            folder: join(cache, name),
          }),
        );
        trials.push(trial);
        const page = resultsPage({ times, rule, trials, seeds });
        await atomicWriteFileAsync(join(folder, 'README.md'), (file) => file.writeFile(page));
      }
    }
  } finally {
    await classifier.dispose();
  }
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
