/** `dm eval`, `dm eval statistics` and `dm eval consistency`; the other commands below it have files of their own. */
import { join } from 'node:path';
import { defaultCacheDir } from '@dm/data';
import { metricNames, metricDescriptions, writeStatistics, type FeatureExtractor, type MetricName } from '@dm/eval';
import { Command, Option } from 'commander';
import { compareSets } from '../../eval/consistency/compare-sets.js';
import { comparisonLines } from '../../eval/consistency/table.js';
import type { ProgressBar } from '../../terminal/progress-bar.js';
import { evaluateSets, featuresOf, type EvaluateSetsOptions } from '../../eval/sets/evaluate-sets.js';
import { openExtractor } from '../../eval/extractors/extractor.js';
import { consistencyGrid } from '../../eval/consistency/grid.js';
import { defaultSamples, SET_FORMS, type OpenSetOptions } from '../../eval/sets/open-set.js';
import { evaluationLines } from '../../eval/sets/table.js';
import { UserError } from '../../errors.js';
import { atomicWriteFile } from '../../files/atomic-write.js';
import { suggestion } from '../../config/suggestion.js';
import { print, printJson, printNote } from '../../terminal/output.js';
import { numeric, withCommonOptions, type CommonFlags } from '../common.js';
import {
  extractorOptions,
  createProgressBarFor,
  withExtractorOptions,
  type ExtractorFlags,
} from './extractor-flags.js';
import { difficultyCommand } from './difficulty.js';
import { landscapeCommand } from './landscape.js';
import { throughputCommand } from './throughput.js';
import { trainExtractorCommand } from './train-extractor.js';

type SetFlags = CommonFlags &
  ExtractorFlags &
  Pick<OpenSetOptions, 'count' | 'seed' | 'skipBad' | 'best' | 'split' | 'steps' | 'sampler' | 'engine' | 'threads'> & {
    /** False after --no-cache. */
    readonly cache: boolean;
  };

export function evalCommand(): Command {
  const command = new Command('eval')
    .description(`Metrics of generated images against a reference. A set is ${SET_FORMS.join(', ')}.`)
    // So that the commands below may have options of the same names.
    .enablePositionalOptions()
    .argument('<generated>', 'the set to judge')
    .argument('<reference>', 'the set that it should be like')
    .option('--metrics <names>', `any of ${about()}, with commas between`, 'fid,kid');
  withSetOptions(command).action(evaluateTwo);

  const statistics = command
    .command('statistics <set>')
    .description('Write the statistics of a set, to be given as a reference later.')
    .requiredOption('--out <file.npz>', 'mu and sigma as pytorch-fid has them, and what made them')
    .option('--features', 'all features too, which every metric but fid needs of a reference');
  withSetOptions(statistics).action(writeSet);

  const consistency = command
    .command('consistency <sets...>')
    .description('How alike models are from the same noise. A set is a run, a checkpoint, or a .npy of samples.')
    .option('--count <n>', 'samples of each (default: 64, or as many as a file has)', numeric)
    .option('--seed <n>', 'seed of the noise', numeric, 0)
    .option('--noise <file.npy>', 'start from this noise, float32 [N, H, W, C], instead')
    .option('--threshold <cosine>', 'a pair above it counts as reproduced', numeric, 0.6)
    .option('--levels <n>', 'compare the denoisers themselves too, at so many noise levels', numeric)
    .option('--grid <file.png>', 'write a picture: a row per noise, a column per set')
    .option('--rows <n>', 'rows of that picture', numeric, 8);
  withSamplingOptions(withExtractorOptions(consistency));
  withCommonOptions(consistency).action(compare);

  return command
    .addCommand(difficultyCommand())
    .addCommand(landscapeCommand())
    .addCommand(trainExtractorCommand())
    .addCommand(throughputCommand());
}

function about(): string {
  return metricNames.map((name) => `${name} (${metricDescriptions[name]})`).join(', ');
}

function withSamplingOptions(command: Command): Command {
  return command
    .option('--best', 'of runs, the checkpoint with the best metric instead of the newest')
    .option('--steps <n>', "steps of a run's sampler (default: the run's)", numeric)
    .option('--sampler <name>', "sampler of runs (default: the run's)")
    .option('--engine <name>', "what computes samples (default: the run's)")
    .option('--threads <n>', 'threads of that engine', numeric);
}

function withSetOptions(command: Command): Command {
  withExtractorOptions(command)
    .option(
      '--count <n>',
      `images of each set: samples made, or chosen by chance (default: ${defaultSamples} samples of a run, all others)`,
      numeric,
    )
    .option('--seed <n>', 'seed of samples, of choices and of subsets', numeric, 0)
    .option('--skip-bad', 'leave out images that cannot be read, and say how many were used')
    .addOption(new Option('--split <name>', 'of data sets that have both').choices(['train', 'test']).default('train'))
    .option('--no-cache', 'neither read nor keep statistics of sets that do not change');
  return withCommonOptions(withSamplingOptions(command));
}

async function evaluateTwo(
  generated: string,
  reference: string,
  flags: SetFlags & { readonly metrics: string },
): Promise<void> {
  const metrics = parseMetrics(flags.metrics);
  await withExtractor(flags, async (extractor, progress) => {
    const options = { ...setOptions(flags, extractor, progress), metrics };
    const evaluation = await evaluateSets(generated, reference, options);
    progress.end();
    if (flags.json === true) printJson({ event: 'eval', ...evaluation });
    else print(evaluationLines(evaluation));
  });
}

async function writeSet(
  spec: string,
  flags: SetFlags & { readonly out: string; readonly features?: boolean },
): Promise<void> {
  if (!flags.out.toLowerCase().endsWith('.npz')) throw new UserError(`--out must name an .npz file, not ${flags.out}.`);
  await withExtractor(flags, async (extractor, progress) => {
    const options = { ...setOptions(flags, extractor, progress), metrics: [] };
    const set = await featuresOf(spec, { keepFeatures: flags.features === true }, options);
    await writeStatistics(flags.out, set);
    progress.end();
    const { name, count, notes } = set;
    if (flags.json === true)
      printJson({ event: 'statistics', out: flags.out, name, count, extractor: set.extractor, notes });
    else print([`${count} images of ${name} by ${extractor.name}: ${flags.out}`, ...notes]);
  });
}

type ConsistencyFlags = CommonFlags &
  ExtractorFlags &
  Pick<OpenSetOptions, 'count' | 'seed' | 'best' | 'steps' | 'sampler' | 'engine' | 'threads'> & {
    readonly noise?: string;
    readonly threshold: number;
    readonly levels?: number;
    readonly grid?: string;
    readonly rows: number;
  };

async function compare(specs: string[], flags: ConsistencyFlags): Promise<void> {
  const { json, debug: _debug, extractor: _name, weights: _weights, resize: _resize, grid, rows, ...options } = flags;
  if (grid !== undefined && !grid.toLowerCase().endsWith('.png'))
    throw new UserError(`--grid must name a .png, not ${grid}.`);
  await withExtractor(flags, async (extractor, progress) => {
    const { sets, ...comparison } = await compareSets(specs, {
      ...options,
      extractor,
      onProgress: progress,
      onNote: (text) => printNote(text, flags, 'note: '),
    });
    progress.end();
    if (grid !== undefined) {
      atomicWriteFile(grid, await consistencyGrid(sets, comparison.shape, Math.min(rows, comparison.count)));
    }
    if (json === true)
      printJson({ event: 'consistency', sets: specs, ...comparison, ...(grid !== undefined && { grid }) });
    else {
      print([...comparisonLines(specs, comparison), ...(grid === undefined ? [] : ['', `picture: ${grid}`])]);
    }
  });
}

/** Opens the extractor, shows progress on standard error, and cleans both up. */
async function withExtractor(
  flags: ExtractorFlags & CommonFlags,
  work: (extractor: FeatureExtractor, progress: ProgressBar) => Promise<void>,
): Promise<void> {
  const extractor = await openExtractor(flags.extractor, extractorOptions(flags));
  const progress = createProgressBarFor(flags);
  try {
    await work(extractor, progress);
  } finally {
    progress.end();
    await extractor.dispose();
  }
}

function setOptions(
  flags: SetFlags,
  extractor: FeatureExtractor,
  onProgress: NonNullable<EvaluateSetsOptions['onProgress']>,
): Omit<EvaluateSetsOptions, 'metrics'> {
  const { json: _json, debug: _debug, extractor: _name, weights: _weights, resize: _resize, cache, ...options } = flags;
  return {
    ...options,
    extractor,
    onProgress,
    onNote: (text) => printNote(text, flags, 'note: '),
    ...(cache && { cache: join(defaultCacheDir(), 'eval') }),
  };
}

function parseMetrics(text: string): MetricName[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!(metricNames as readonly string[]).includes(name)) {
      throw new UserError(`--metrics ${name} is unknown. ${suggestion(name, metricNames)}`);
    }
  }
  return names as MetricName[];
}
