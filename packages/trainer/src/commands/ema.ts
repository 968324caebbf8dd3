/** `dm ema reconstruct`. */
import { dmCommand } from '@dm/files';
import { Command } from 'commander';
import { reconstructEma, type ReconstructEmaOptions } from '../interchange/reconstruct-ema.js';
import { print, printJson } from '../terminal/output.js';
import { type CommonFlags, integer, number, withCommonOptions } from './common.js';

export function emaCommand(): Command {
  const command = new Command('ema').description('Averages (EMA) of the weights of a trained run.');
  const reconstruct = command
    .command('reconstruct')
    .description(
      'Compute an average of any width from the snapshots that a run with emaSnapshots stored (post-hoc EMA of EDM2).',
    )
    .requiredOption('--run <folder>', 'run folder with snapshots')
    .requiredOption('--relative-std <number>', 'width of the average relative to the length of training', number)
    .option('--step <n>', 'step of the average, one that has snapshots (default: the last one)', integer)
    .requiredOption(
      '--out <path>',
      'new run folder, for dm sample, eval, and export; or a .safetensors file with the weights alone',
    );
  withCommonOptions(reconstruct).action(run);
  return command;
}

async function run({ json, debug: _debug, ...options }: CommonFlags & ReconstructEmaOptions): Promise<void> {
  const result = await reconstructEma(options);
  const { out, step, relativeStd, snapshots, profileError } = result;
  if (json === true) printJson({ event: 'end', ...result });
  else {
    print(`average of relative std ${relativeStd} at step ${step}, from ${snapshots} snapshots: ${out}`);
    print(`error of its weights over time: ${(100 * profileError).toFixed(1)}%`);
    if (!out.endsWith('.safetensors')) print(`next: ${dmCommand(['sample'], { run: out, out: 'samples.png' })}`);
  }
}
