/** `dm export`. */
import { Command } from 'commander';
import { UserError } from '../errors.js';
import { exportRun } from '../interchange/export-run.js';
import { exportFormats, exportModel, type ExportOptions } from '../interchange/export.js';
import { print, printJson, printNote } from '../terminal/output.js';
import { type CommonFlags, withCommonOptions } from './common.js';

type ExportFlags = CommonFlags & Omit<ExportOptions, 'onNote'>;

export function exportCommand(): Command {
  const command = new Command('export')
    .description('Export a trained model for use in other programs.')
    .option('--run <folder>', 'run folder; uses its newest valid checkpoint (required, or --checkpoint)')
    .option('--checkpoint <folder>', 'checkpoint folder (required, or --run)')
    .option('--best', "use the run's checkpoint with the best metric instead of the newest")
    .option(
      '--format <name>',
      `${exportFormats.join(', ')}, run: a pipeline folder for Python's diffusers, the denoiser with a dynamic batch size, ` +
        'the weights, a zip of the run with its checkpoints and data (default: onnx or safetensors if --out ends so, run ' +
        'for .zip, otherwise diffusers)',
    )
    .option('--weights <which>', 'ema (default), the name of an entry in extraEmas, or raw')
    .requiredOption('--out <path>', 'output folder (diffusers) or file; must not exist yet');
  return withCommonOptions(command).action(run);
}

async function run({ json, debug: _debug, ...options }: ExportFlags): Promise<void> {
  if (options.format === 'run' || (options.format === undefined && /\.zip$/i.test(options.out))) {
    return exportWholeRun(options, json);
  }
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

async function exportWholeRun(options: ExportOptions, json: boolean | undefined): Promise<void> {
  const { run: path, out } = options;
  const other = (['checkpoint', 'best', 'weights'] as const).find((name) => options[name] !== undefined);
  if (other !== undefined) throw new UserError(`--${other} chooses weights; a zip has all of the run. Leave it out.`);
  if (path === undefined) throw new UserError('Give the run to export: --run <run folder>.');
  const result = await exportRun({ run: path, out, onNote: (text) => printNote(text, { json }, 'note: ') });
  if (json === true) printJson({ event: 'end', format: 'run', ...result });
  else print(`${path} with ${result.checkpoints.length} checkpoints and ${result.images} images: ${out}`);
}
