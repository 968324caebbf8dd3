/**
 * The command line: `node dist/main.js next --minutes 60` and `status`, each with `--scale card` for the experiment on a
 * graphics card, `report`, or, for a test, `--scale smoke`. `next` runs each trial as `trial <name>` in a process.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openExtractor } from '@dm/trainer';
import { measureBounds, measureFloor } from './bounds.js';
import { prepareData } from './data.js';
import { commitOf, frozenCommit, runAt } from './frozen.js';
import { planOf, statusLines } from './plan.js';
import { writeReport } from './report.js';
import { method } from './recipes.js';
import { openResults, planFile, rounded, type Results } from './results.js';
import { runCardTrial } from './run-card-trial.js';
import { removeRun, runTrial, type TrialContext } from './run-trial.js';
import { card, laptop, smoke, type Size } from './sizes.js';
import { finals, firstTuning, trialName, type Rates } from './trials.js';

const usage =
  'Use: main.js next [--minutes <n>] [--trainings <n>] [--threads <n>] [--device <name>] | status, each with ' +
  '[--scale laptop | card]; or main.js report; or main.js --scale smoke [--device <name>].';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '60' },
    // On two cores, two trainings with one thread each make 1.3 times the steps of one with two.
    trainings: { type: 'string', default: String(availableParallelism()) },
    threads: { type: 'string', default: '1' },
    // A device of the engine, such as webgpu. A small model leaves room on a card for several trainings.
    device: { type: 'string', default: 'cpu' },
    scale: { type: 'string', default: 'laptop' },
  },
});
const [command, ...more] = positionals;
/** The experiment itself, or the one at 32x32 on a graphics card. */
const size = values.scale === 'card' ? card : laptop;
const here = fileURLToPath(new URL('..', import.meta.url));
const home = process.env['DM_PRIMARY_HOME'] ?? here;
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'dm', 'primary');

try {
  const minutes = Number(values.minutes);
  const [trainings, threads] = [values.trainings, values.threads].map(Number) as [number, number];
  const { device } = values;
  if (!['laptop', 'card', 'smoke'].includes(values.scale) || (command !== undefined) === (values.scale === 'smoke')) {
    throw new Error(usage);
  }
  if (more.length > (command === 'trial' ? 1 : 0)) throw new Error(usage);
  if (!(minutes > 0)) throw new Error(`--minutes must be above 0, got ${values.minutes}.`);
  for (const [name, count] of Object.entries({ trainings, threads })) {
    if (!(Number.isInteger(count) && count > 0)) throw new Error(`--${name} must be an integer above 0.`);
  }
  switch (command) {
    case 'next':
      process.exitCode = await next(minutes, { trainings, threads, device });
      break;
    case 'trial':
      await oneTrial(more[0] ?? '', minutes, { threads, device });
      break;
    case 'status':
      console.log(statusLines(planOf(size, openResults(home, size))).join('\n'));
      break;
    case 'report':
      for (const one of [laptop, card]) {
        const results = openResults(home, one);
        if (one === laptop || existsSync(results.folder)) console.log(await writeReport(results, one));
      }
      break;
    case undefined:
      await smokeRun(device);
      break;
    default:
      throw new Error(usage);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** What trials are run with. */
interface Engines {
  readonly threads: number;
  readonly device: string;
}

function flagsOf({ threads, device }: Engines): string[] {
  return ['--scale', size.name, '--threads', String(threads), '--device', device];
}

/** Runs the next trials for some minutes, `trainings` at a time. Commits nothing. */
async function next(minutes: number, how: Engines & { readonly trainings: number }): Promise<number> {
  const until = performance.now() + minutes * 60_000;
  const minutesLeft = () => (until - performance.now()) / 60_000;
  const results = openResults(home, size);
  const started = commitOf(home);
  for (;;) {
    const { next: trial } = planOf(size, results);
    if (trial !== undefined && trial.stage !== 'tuning') {
      const commit = await frozenCommit(home, results, started);
      // Even if the tree at hand is at that commit: it may be changed and built again while trials run.
      if (home === here || commitOf(here) !== commit) {
        if (minutesLeft() <= 0) return 0;
        // Building the worktree takes minutes, too.
        const rest = ['--trainings', String(how.trainings), ...flagsOf(how)];
        return runAt(commit, home, cache, () => ['next', '--minutes', String(Math.max(1, minutesLeft())), ...rest]);
      }
    }
    if (trial === undefined || minutesLeft() <= 0) {
      console.log(statusLines(planOf(size, results)).join('\n'));
      return 0;
    }
    await withContext(size, cache, { until, threads: null, device: 'cpu' }, async (context) => {
      if (trial.stage !== 'tuning') await measureReferences(results, context);
    });
    await runPart(results, { ...how, minutesLeft });
    await writeReport(results, size);
  }
}

interface PartOptions extends Engines {
  readonly trainings: number;
  readonly minutesLeft: () => number;
}

/**
 * Runs trials of the first incomplete part until the time is over, or none is left.
 *
 * @throws {Error} afterwards, if some failed
 */
async function runPart(results: Results, { trainings, minutesLeft, ...how }: PartOptions): Promise<void> {
  const part = new Set(planOf(size, results).pending.map(trialName));
  const failed: string[] = [];
  const lane = async () => {
    for (const name of part) {
      if (minutesLeft() <= 0) return;
      part.delete(name);
      const args = ['trial', name, '--minutes', String(minutesLeft()), ...flagsOf(how)];
      const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...args], {
        stdio: 'inherit',
        env: { ...process.env, DM_PRIMARY_HOME: home },
      });
      const [status] = (await once(child, 'exit')) as [number | null];
      if (status !== 0) failed.push(name);
    }
  };
  await Promise.all(Array.from({ length: trainings }, lane));
  if (failed.length > 0) throw new Error(`These trials failed: ${failed.join(', ')}.`);
}

/** Measures what the finals are compared with, once. It uses test images, so not before tuning is complete. */
async function measureReferences(results: Results, context: TrialContext): Promise<void> {
  if (results.read('bounds') === undefined) await results.write('bounds', rounded(await measureBounds(context)));
  if (results.read('floor') === undefined && size.samples > 0)
    await results.write('floor', rounded(await measureFloor(context)));
}

/** Runs one pending trial and saves its result, if the time suffices. */
async function oneTrial(name: string, minutes: number, how: Engines): Promise<void> {
  const results = openResults(home, size);
  const trial = planOf(size, results).pending.find((one) => trialName(one) === name);
  if (trial === undefined) throw new Error(`"${name}" is not a pending trial.`);
  const until = performance.now() + minutes * 60_000;
  await withContext(size, cache, { until, ...how }, async (context) => {
    const result = await (size.name === 'card' ? runCardTrial : runTrial)(trial, context);
    if (result === undefined) return;
    await results.save(result);
    removeRun(trial, context);
    const last = result.points.at(-1);
    const seconds = result.seconds.training + result.seconds.measuring;
    console.log(
      `${name}: ${last === undefined ? 'diverged' : `E1 ${last.losses['ema']!.geometricMean.toPrecision(4)}`}` +
        `${last?.kd === undefined ? '' : `, KD ${last.kd.toPrecision(3)}, FD ${last.fd!.toPrecision(3)}`}, ${seconds.toFixed(0)} s`,
    );
  });
}

/** A trial of each kind in small, on images that need no download. The results are not kept. */
async function smokeRun(device: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dm-primary-'));
  const rates: Rates = { epsilon: { constant: 1e-3, decayed: 1e-3 }, v: { constant: 1e-3, decayed: 1e-3 } };
  const trials = finals(smoke, rates, [101]);
  const chosen = [firstTuning(smoke)[0]!, trials[0]!, trials.findLast(({ recipe }) => recipe === method)!];
  try {
    const results = openResults(folder, smoke);
    copyFileSync(join(here, planFile(smoke)), join(folder, planFile(smoke)));
    await results.write('code', { commit: commitOf(here) });
    await withContext(smoke, folder, { until: Infinity, threads: null, device }, async (context) => {
      for (const trial of chosen) {
        const result = await runTrial(trial, context);
        await results.save(result!);
        removeRun(trial, context);
        console.log(JSON.stringify(results.find(trial)));
      }
      console.log(JSON.stringify(await measureBounds(context)));
      console.log(JSON.stringify(await measureFloor(context, 2)));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withContext(
  of: Size,
  folder: string,
  limits: Pick<TrialContext, 'until' | 'threads' | 'device'>,
  use: (context: TrialContext) => Promise<void>,
): Promise<void> {
  const data = await prepareData(folder, of);
  let extractor: ReturnType<typeof openExtractor> | undefined;
  const context: TrialContext = {
    project: here,
    cache: folder,
    size: of,
    data,
    ...limits,
    extractor: () => (extractor ??= openExtractor('mobilenet')),
  };
  try {
    await use(context);
  } finally {
    await (await extractor)?.dispose();
  }
}
