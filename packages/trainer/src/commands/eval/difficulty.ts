/** `dm eval difficulty`. */
import { bucketCoordinates, difficulty, type BucketCoordinate } from '@dm/eval';
import { Command, Option } from 'commander';
import { atomicWriteFile } from '../../files/atomic-write.js';
import { checkFileOutput } from '../../files/check-output.js';
import { UserError } from '../../errors.js';
import { readDifficulty, type DifficultyLog } from '../../eval/difficulty/file.js';
import { difficultyLines } from '../../eval/difficulty/table.js';
import { probeCheckpoints } from '../../eval/difficulty/probe-checkpoints.js';
import { difficultyPlot } from '../../plot/difficulty-plot.js';
import { runFolder } from '../../run/run-folder.js';
import { print, printJson, printNote } from '../../terminal/output.js';
import {
  type CommonFlags,
  type EngineFlags,
  integer,
  numbers,
  withCommonOptions,
  withEngineOptions,
} from '../common.js';
import { createProgressBar } from '../../terminal/progress-bar.js';

interface DifficultyFlags extends CommonFlags, EngineFlags {
  readonly checkpoints?: boolean;
  readonly within: number[];
  readonly window: number;
  readonly svg?: string;
  readonly buckets: number;
  readonly coordinate: BucketCoordinate;
  readonly images: number;
  readonly seed: number;
  readonly weights: 'raw' | 'ema';
}

export function difficultyCommand(): Command {
  const command = new Command('difficulty')
    .description(
      'Difficulty of each noise range: loss, time to within x % of the final loss, gradient norm. Read from the ' +
        'measurements of a run (dm train --probe-every), or measured now on its saved checkpoints.',
    )
    .argument('<run>', 'run folder')
    .option('--checkpoints', 'measure the checkpoints now; the options after --svg apply only to this')
    .option('--within <percents>', 'percentages x, comma-separated', numbers, [5, 10, 25])
    .option('--window <n>', 'width of the centered moving average over the losses, odd', integer, 3)
    .option('--svg <file.svg>', 'plot the curves to this file')
    .option('--buckets <n>', 'number of noise ranges', integer, 10)
    .addOption(
      new Option('--coordinate <name>', 'coordinate that is divided into equal ranges')
        .choices(bucketCoordinates)
        .default('timestep'),
    )
    .option('--images <n>', 'images per range: up to 64, or a multiple of 64', integer, 32)
    .option('--seed <n>', 'random seed of the choice of images and of their noise', integer, 0)
    .addOption(
      new Option('--weights <which>', 'which weights of the checkpoints').choices(['raw', 'ema']).default('raw'),
    );
  return withCommonOptions(withEngineOptions(command)).action(run);
}

async function run(path: string, flags: DifficultyFlags): Promise<void> {
  const { within, window, svg, json } = flags;
  if (svg !== undefined) checkFileOutput('--svg', svg, '.svg');
  const log = await logOf(path, flags);
  const { buckets } = log.setting;
  const report = difficulty(buckets, log.records, { window, within: within.map((percent) => percent / 100) });
  if (svg !== undefined) atomicWriteFile(svg, await difficultyPlot(report, log.setting.prediction));
  if (json === true)
    printJson({ event: 'difficulty', run: path, weights: log.weights, setting: log.setting, ...report });
  else print([...difficultyLines(log, report), ...(svg === undefined ? [] : ['', `picture: ${svg}`])]);
}

async function logOf(path: string, flags: DifficultyFlags): Promise<DifficultyLog> {
  const { difficulty: file } = runFolder(path);
  if (flags.checkpoints !== true) {
    const log = readDifficulty(file);
    if (log !== undefined) return log;
    throw new UserError(
      `${path} has no difficulty measurements. Measure its checkpoints (--checkpoints), or train with --probe-every.`,
    );
  }
  const progress = createProgressBar(process.stderr);
  try {
    return await probeCheckpoints(path, {
      ...flags,
      onNote: (text) => printNote(text, flags, 'note: '),
      onProgress: progress,
      onPhase: progress.onPhase,
    });
  } finally {
    progress.end();
  }
}
