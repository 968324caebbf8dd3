/** `dm sample`. */
import { Command } from 'commander';
import { writeImages } from '../images.js';
import { sample, type SampleOptions } from '../sample.js';
import { duration } from '../progress.js';
import { numeric, print, printJson, withCommonOptions, type CommonFlags } from './common.js';

interface SampleFlags extends CommonFlags, Omit<SampleOptions, 'onNote'> {
  readonly out: string;
}

export function sampleCommand(): Command {
  const command = new Command('sample')
    .description('Make images with a trained model.')
    .option('--run <folder>', 'folder of a run: its newest valid checkpoint is used')
    .option('--checkpoint <folder>', 'one checkpoint of a run')
    .option('--best', 'of the run, the checkpoint with the best metric instead of the newest')
    .option('--count <n>', 'images to make (default: 64, or as many as --noise has)', numeric)
    .option('--noise <file.npy>', 'start from this noise, float32 [N, H, W, C], instead of that of --seed')
    .option('--out <file>', 'grid.png, or samples.npy with float32 [N, H, W, C] in [-1, 1]', 'samples.png')
    .option('--steps <n>', "steps from noise to image (default: the run's)", numeric)
    .option('--sampler <name>', "ddpm or ddim (default: the run's)")
    .option('--weights <which>', 'ema (default) or raw')
    .option('--label <class>', 'class of all images, for a conditional model (default: each class in turn)', numeric)
    .option('--seed <n>', 'seed of the noise (default: 0)', numeric)
    .option('--engine <name>', "what computes (default: the run's)")
    .option('--threads <n>', 'threads of the engine', numeric);
  return withCommonOptions(command).action(run);
}

async function run(flags: SampleFlags): Promise<void> {
  const { json, debug: _debug, out, ...given } = flags;
  const began = performance.now();
  const result = await sample({
    ...given,
    onNote: (text) => {
      if (json === true) printJson({ event: 'note', text });
      else print(text);
    },
  });
  await writeImages(out, result);
  const seconds = (performance.now() - began) / 1000;
  const [count] = result.shape;
  if (json === true) printJson({ event: 'end', out, count, checkpoint: result.checkpoint, seconds });
  else print(`${count} images from ${result.checkpoint} in ${duration(seconds)}: ${out}`);
}
