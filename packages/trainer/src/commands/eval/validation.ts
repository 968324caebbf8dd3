/** `dm eval validation`. */
import { Command, Option } from 'commander';
import { runOrCheckpoint } from '../../checkpoint/resolve.js';
import { validationLines } from '../../eval/validation/table.js';
import { validationLoss } from '../../eval/validation/validation-loss.js';
import { weightsName } from '../../setup/averages.js';
import { print, printJson, printNote } from '../../terminal/output.js';
import { createProgressBar } from '../../terminal/progress-bar.js';
import { type CommonFlags, type EngineFlags, integer, withCommonOptions, withEngineOptions } from '../common.js';
import { checkCount } from './loss.js';

interface ValidationFlags extends CommonFlags, EngineFlags {
  readonly data?: string;
  readonly split?: 'train' | 'test';
  readonly images?: number;
  readonly draws?: number;
  readonly weights?: string;
  readonly best?: boolean;
}

export function validationCommand(): Command {
  const command = new Command('validation')
    .description('Validation loss of a run or checkpoint by noise range, as dm train --validate-every measures it.')
    .argument('<run>', 'run folder or checkpoint')
    .option('--data <data>', "data set, prepared as the run's (default: the images that the run validates on)")
    .addOption(
      new Option('--split <name>', 'split of data sets that have both (default: test)').choices(['train', 'test']),
    )
    .option('--images <n>', "number of images, at most (default: the run's)", integer)
    .option('--draws <n>', "draws of noise per image and noise range (default: the run's)", integer)
    .option('--weights <which>', 'weights of the checkpoint: ema, raw, or a name in extraEmas (default: ema)')
    .option('--best', 'use the checkpoint with the best metric of a run instead of the newest');
  return withCommonOptions(withEngineOptions(command)).action(run);
}

async function run(path: string, flags: ValidationFlags): Promise<void> {
  const { json, debug: _debug, ...options } = flags;
  if (options.images !== undefined) checkCount('--images', options.images, 1_000_000);
  if (options.draws !== undefined) checkCount('--draws', options.draws, 1000);
  const progress = createProgressBar(process.stderr);
  try {
    const found = await validationLoss({
      ...options,
      ...runOrCheckpoint(path),
      onPhase: progress.onPhase,
      onNote: (text) => printNote(text, flags, 'note: '),
    });
    progress.end();
    if (json === true) printJson({ event: 'validation', ...found });
    else print(validationLines(found.setting, { [weightsName(flags.weights)]: found.loss }));
  } finally {
    progress.end();
  }
}
