/** `dm eval loss`. */
import { Command, Option } from 'commander';
import { checkFileOutput } from '../../files/check-output.js';
import { gridPng } from '../../files/images.js';
import { atomicWriteFile } from '../../files/atomic-write.js';
import { aligned, digits } from '../../eval/sets/table.js';
import { imageLosses } from '../../eval/validation/image-losses.js';
import { runOrCheckpoint } from '../../checkpoint/resolve.js';
import { UserError } from '../../errors.js';
import { print, printJson, printNote } from '../../terminal/output.js';
import { createProgressBar } from '../../terminal/progress-bar.js';
import { type CommonFlags, type EngineFlags, integer, withCommonOptions, withEngineOptions } from '../common.js';

interface LossFlags extends CommonFlags, EngineFlags {
  readonly worst: number;
  readonly sheet?: string;
  readonly draws: number;
  readonly split: 'train' | 'test';
  readonly weights?: string;
  readonly best?: boolean;
  readonly skipBad?: boolean;
}

export function lossCommand(): Command {
  const command = new Command('loss')
    .description(
      'Find bad data: the images with the largest denoising losses, with the same noise for all, each noise range weighted ' +
        'equally.',
    )
    .argument('<run>', 'run folder or checkpoint')
    .argument('<data>', "data set, prepared as the run's")
    .option('--worst <n>', 'number of images to list', integer, 50)
    .option('--sheet <file.png>', 'write these images to a grid, row by row, largest loss first')
    .option('--draws <n>', 'draws of noise per noise range', integer, 1)
    .addOption(
      new Option('--split <name>', 'split of data sets that have both').choices(['train', 'test']).default('train'),
    )
    .option('--weights <which>', 'weights of the checkpoint: ema, raw, or a name in extraEmas (default: ema)')
    .option('--best', 'use the checkpoint with the best metric of a run instead of the newest')
    .option('--skip-bad', 'skip images that cannot be decoded');
  return withCommonOptions(withEngineOptions(command)).action(run);
}

async function run(path: string, data: string, flags: LossFlags): Promise<void> {
  const { sheet, json, worst, draws } = flags;
  checkCount('--worst', worst, 100_000);
  checkCount('--draws', draws, 1000);
  if (sheet !== undefined) checkFileOutput('--sheet', sheet, '.png');
  const progress = createProgressBar(process.stderr);
  try {
    const { json: _json, debug: _debug, sheet: _sheet, ...options } = flags;
    const { pixels, ...losses } = await imageLosses({
      ...options,
      ...runOrCheckpoint(path),
      data,
      onProgress: progress,
      onPhase: progress.onPhase,
      onNote: (text) => printNote(text, flags, 'note: '),
    });
    progress.end();
    if (sheet !== undefined) atomicWriteFile(sheet, await gridPng(pixels));
    if (json === true) printJson({ event: 'loss', ...losses, ...(sheet !== undefined && { sheet }) });
    else {
      const rows = losses.worst.map(({ index, name, label, relativeLoss }) => [
        name ?? `image ${index}`,
        label === undefined ? '' : `class ${label}`,
        digits(relativeLoss),
      ]);
      print([
        `${losses.images} images of ${losses.data}; loss relative to the mean of all, averaged over noise ranges`,
        '',
        ...aligned(rows),
        ...(sheet === undefined ? [] : ['', `picture: ${sheet}`]),
      ]);
    }
  } finally {
    progress.end();
  }
}

/** @throws {UserError} if `value` is not an integer from 1 to `most` */
export function checkCount(flag: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new UserError(`${flag} must be an integer from 1 to ${most}, got ${value}.`, { code: 'OPTION_INVALID' });
}
