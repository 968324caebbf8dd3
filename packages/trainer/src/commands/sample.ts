/** `dm sample`. */
import { samplers } from '@dm/core';
import { Command } from 'commander';
import { UserError } from '../errors.js';
import { checkImageFormat, writeImages } from '../files/images.js';
import { generateSamples, type GenerateSamplesOptions } from '../sampling/generate-samples.js';
import { formatDuration } from '../terminal/progress.js';
import { print, printJson, printNote } from '../terminal/output.js';
import { numeric, withCommonOptions, type CommonFlags } from './common.js';

interface SampleFlags extends CommonFlags, Omit<GenerateSamplesOptions, 'onNote'> {
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
    .option('--sampler <name>', `${Object.keys(samplers).join(', ')} (default: the run's)`)
    .option(
      '--guidance <scale>',
      "classifier-free guidance, for a model trained with label dropout (default: the run's)",
      numeric,
    )
    .option('--guidance-interval <low,high>', 'guide only where sigma / alpha lies between these two', interval)
    .option('--weights <which>', 'ema (default), another average of the run by its name, or raw')
    .option('--label <class>', 'class of all images, for a conditional model (default: each class in turn)', numeric)
    .option('--seed <n>', 'seed of the noise (default: 0)', numeric)
    .option('--engine <name>', "what computes (default: the run's)")
    .option('--threads <n>', 'threads of the engine', numeric);
  return withCommonOptions(command).action(run);
}

async function run(flags: SampleFlags): Promise<void> {
  const { json, debug: _debug, out, ...given } = flags;
  checkImageFormat(out);
  const began = performance.now();
  const result = await generateSamples({
    ...given,
    onNote: (text) => printNote(text, { json }),
  });
  await writeImages(out, result);
  const seconds = (performance.now() - began) / 1000;
  const [count] = result.shape;
  if (json === true) printJson({ event: 'end', out, count, checkpoint: result.checkpoint, seconds });
  else print(`${count} images from ${result.checkpoint} in ${formatDuration(seconds)}: ${out}`);
}

/** `0.2,3` */
function interval(text: string): [number, number] {
  const [low, high, ...more] = text.split(',').map(Number);
  if (low === undefined || high === undefined || more.length > 0 || !(low >= 0 && high >= low)) {
    throw new UserError(`--guidance-interval ${text}: must be two numbers from low to high, such as 0.2,3.`);
  }
  return [low, high];
}
