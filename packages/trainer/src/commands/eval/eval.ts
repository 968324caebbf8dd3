/** `dm eval`, `dm eval statistics` and `dm eval consistency`; the other subcommands are in separate files. */
import { join } from 'node:path';
import { samplers } from '@dm/core';
import { defaultCacheDir } from '@dm/data';
import { metricNames, metricDescriptions, writeStatistics, type FeatureExtractor, type MetricName } from '@dm/eval';
import { Command, Option } from 'commander';
import { compareSets } from '../../eval/consistency/compare-sets.js';
import { comparisonLines } from '../../eval/consistency/table.js';
import { createProgressBar, type ProgressBar } from '../../terminal/progress-bar.js';
import { evaluateSets, featuresOf, type EvaluateSetsOptions } from '../../eval/sets/evaluate-sets.js';
import { openExtractor } from '../../eval/extractors/extractor.js';
import { consistencyGrid } from '../../eval/consistency/grid.js';
import {
  checkPreprocessing,
  defaultSamples,
  kindOfSet,
  SET_FORMS,
  type OpenSetOptions,
} from '../../eval/sets/open-set.js';
import type { PreprocessingOptions } from '../../eval/sets/preprocessing.js';
import { evaluationLines } from '../../eval/sets/table.js';
import { imageResizeNames } from '../../config/names.js';
import { UserError } from '../../errors.js';
import { atomicWriteFile } from '../../files/atomic-write.js';
import { checkFileOutput } from '../../files/check-output.js';
import { suggestion } from '../../config/suggestion.js';
import { print, printJson, printNote } from '../../terminal/output.js';
import { type CommonFlags, integer, number, numeric, withCommonOptions, withEngineOptions } from '../common.js';
import { extractorOptions, withExtractorOptions, type ExtractorFlags } from './extractor-flags.js';
import { boundCommand } from './bound.js';
import { difficultyCommand } from './difficulty.js';
import { landscapeCommand } from './landscape.js';
import { lossCommand } from './loss.js';
import { validationCommand } from './validation.js';
import { throughputCommand } from './throughput.js';
import { trainExtractorCommand } from './train-extractor.js';

type SetFlags = CommonFlags &
  ExtractorFlags &
  PreprocessingOptions &
  Pick<
    OpenSetOptions,
    'count' | 'seed' | 'skipBad' | 'best' | 'split' | 'steps' | 'sampler' | 'engine' | 'device' | 'threads'
  > & {
    /** False after --no-cache. */
    readonly cache: boolean;
  };

export function evalCommand(): Command {
  const command = new Command('eval')
    .description(`Metrics of generated images against a reference. A set is ${SET_FORMS.join(', ')}.`)
    // Lets subcommands reuse these option names.
    .enablePositionalOptions()
    .argument('<generated>', 'set to evaluate')
    .argument('<reference>', 'set to compare it with')
    .option('--metrics <names>', `comma-separated: ${about()}`, 'fid,kid');
  withSetOptions(command).action(evaluateTwo);

  const statistics = command
    .command('statistics <set>')
    .description('Save the statistics of a set, for use as <reference> later.')
    .requiredOption(
      '--out <file.npz>',
      'output file: mu and sigma in the format of pytorch-fid, plus how they were computed',
    )
    .option('--features', 'also save all features, which every metric except fid needs from a reference');
  withSetOptions(statistics).action(writeSet);

  const consistency = command
    .command('consistency <sets...>')
    .description(
      'Compare samples of models from the same noise. A set is a run, a checkpoint, or a .npy file of samples.',
    )
    .option('--count <n>', 'samples per set (default: 64, or as many as a file has)', integer)
    .option('--seed <n>', 'random seed of the noise', integer, 0)
    .option('--noise <file.npy>', 'initial noise, float32 [N, H, W, C] (default: noise from --seed)')
    .option('--threshold <cosine>', 'pairs above this cosine similarity count as reproduced', number, 0.6)
    .option('--levels <n>', 'also compare the denoisers, at this many noise levels', integer)
    .option('--grid <file.png>', 'write an image grid: one row per noise sample, one column per set')
    .option('--rows <n>', 'rows of the grid', integer, 8);
  withSamplingOptions(withExtractorOptions(consistency));
  withCommonOptions(consistency).action(compare);

  return command
    .addCommand(difficultyCommand())
    .addCommand(landscapeCommand())
    .addCommand(boundCommand())
    .addCommand(validationCommand())
    .addCommand(lossCommand())
    .addCommand(trainExtractorCommand())
    .addCommand(throughputCommand());
}

function about(): string {
  return metricNames.map((name) => `${name} (${metricDescriptions[name]})`).join(', ');
}

function withSamplingOptions(command: Command): Command {
  command
    .option('--best', 'use the checkpoint with the best metric of a run instead of the newest')
    .option('--steps <n>', "number of sampling steps (default: the run's)", integer)
    .option('--sampler <name>', `sampler: ${Object.keys(samplers).join(', ')} (default: the run's)`);
  return withEngineOptions(command);
}

function withSetOptions(command: Command): Command {
  withExtractorOptions(command)
    .option(
      '--count <n>',
      `images per set, generated or chosen at random (default: ${defaultSamples} for a run, all images otherwise)`,
      integer,
    )
    .option('--seed <n>', 'random seed of samples, of the choice of images and of subsets', integer, 0)
    .option('--image-size <pixels>', "size to which image files are resized (default: the run's)", integer)
    .option('--image-channels <1|3>', "channels of image files (default: the run's, or 3)", integer)
    .addOption(
      new Option(
        '--image-resize <method>',
        `how image files are resized (default: as for the run, or ${imageResizeNames[0]})`,
      ).choices(imageResizeNames),
    )
    .option('--crop <pixels>', "center crop of files, arrays, and data sets, or none (default: the run's)", numeric)
    .option('--skip-bad', 'skip images that cannot be decoded, and report how many were used')
    .addOption(
      new Option('--split <name>', 'split of data sets that have both').choices(['train', 'test']).default('train'),
    )
    .option('--no-cache', 'do not cache the statistics of sets that do not change');
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
  checkFileOutput('--out', flags.out, '.npz');
  const kind = await kindOfSet(spec);
  if (kind === 'run') {
    throw new UserError(
      `${spec} is a run: its samples have no hash that its statistics could be matched with. Write samples ` +
        '(dm sample --out samples.npz), and save the statistics of that file.',
    );
  }
  checkPreprocessing([kind], flags);
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
  Pick<OpenSetOptions, 'count' | 'seed' | 'best' | 'steps' | 'sampler' | 'engine' | 'device' | 'threads'> & {
    readonly noise?: string;
    readonly threshold: number;
    readonly levels?: number;
    readonly grid?: string;
    readonly rows: number;
  };

async function compare(specs: string[], flags: ConsistencyFlags): Promise<void> {
  const { json, debug: _debug, extractor: _name, weights: _weights, resize: _resize, grid, rows, ...options } = flags;
  if (grid !== undefined) checkFileOutput('--grid', grid, '.png');
  await withExtractor(flags, async (extractor, progress) => {
    const { sets, ...comparison } = await compareSets(specs, {
      ...options,
      extractor,
      onProgress: progress,
      onPhase: progress.onPhase,
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

/** Opens a progress bar on standard error and the extractor, and closes both afterwards. */
async function withExtractor(
  flags: ExtractorFlags & CommonFlags,
  work: (extractor: FeatureExtractor, progress: ProgressBar) => Promise<void>,
): Promise<void> {
  const progress = createProgressBar(process.stderr);
  const extractor = await openExtractor(flags.extractor, { ...extractorOptions(flags), onPhase: progress.onPhase });
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
  progress: ProgressBar,
): Omit<EvaluateSetsOptions, 'metrics'> {
  const { json: _json, debug: _debug, extractor: _name, weights: _weights, resize: _resize, cache, ...options } = flags;
  return {
    ...options,
    extractor,
    onProgress: progress,
    onPhase: progress.onPhase,
    onNote: (text) => printNote(text, flags, 'note: '),
    ...(cache && { cache: join(defaultCacheDir(), 'eval') }),
  };
}

function parseMetrics(text: string): MetricName[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!(metricNames as readonly string[]).includes(name)) {
      // Such as "precision", which is part of pr.
      const of = metricNames.find((metric) => metricDescriptions[metric].toLowerCase().includes(name.toLowerCase()));
      const hint = of === undefined ? '' : `Did you mean ${of} (${metricDescriptions[of]})? `;
      throw new UserError(`--metrics: unknown metric ${name}. ${hint}${suggestion(name, metricNames)}`, {
        code: 'OPTION_UNKNOWN',
      });
    }
  }
  return names as MetricName[];
}
