/** `dm export`. */
import { Command } from 'commander';
import { exportFormats, exportModel, type ExportOptions } from '../interchange/export.js';
import { print, printJson, printNote } from '../terminal/output.js';
import { withCommonOptions, type CommonFlags } from './common.js';

type ExportFlags = CommonFlags & Omit<ExportOptions, 'onNote'>;

export function exportCommand(): Command {
  const command = new Command('export')
    .description('Write a trained model for other programs.')
    .option('--run <folder>', 'folder of a run: its newest valid checkpoint is used')
    .option('--checkpoint <folder>', 'one checkpoint of a run')
    .option('--best', 'of the run, the checkpoint with the best metric instead of the newest')
    .option(
      '--format <name>',
      `${exportFormats.join(', ')}: a pipeline folder for Python's diffusers, the denoiser with a batch of any size, the weights`,
      'diffusers',
    )
    .option('--weights <which>', 'ema (default), another average of the run by its name, or raw')
    .requiredOption('--out <path>', 'new folder (diffusers) or new file');
  return withCommonOptions(command).action(run);
}

async function run({ json, debug: _debug, ...options }: ExportFlags): Promise<void> {
  const result = await exportModel({
    ...options,
    onNote: (text) => printNote(text, { json }, 'note: '),
  });
  if (json === true) printJson({ event: 'end', ...result });
  else {
    const { out, format, model, weights, checkpoint } = result;
    print(`${model} (${weights} weights) of ${checkpoint} as ${format}: ${out}`);
  }
}
