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
    .description('Generate images with a trained model.')
    .option('--run <folder>', 'run folder; uses its newest valid checkpoint')
    .option('--checkpoint <folder>', 'checkpoint folder')
    .option('--best', "use the run's checkpoint with the best metric instead of the newest")
    .option('--count <n>', 'number of images (default: 64, or as many as --noise has)', numeric)
    .option('--noise <file.npy>', 'initial noise, float32 [N, H, W, C], instead of noise from --seed')
    .option('--out <file>', '.png for a grid, or .npy for float32 [N, H, W, C] in [-1, 1]', 'samples.png')
    .option('--steps <n>', "number of sampling steps (default: the run's)", numeric)
    .option('--sampler <name>', `${Object.keys(samplers).join(', ')} (default: the run's)`)
    .option(
      '--guidance <scale>',
      "classifier-free guidance, for a model trained with label dropout (default: the run's)",
      numeric,
    )
    .option('--guidance-interval <low,high>', 'apply guidance only while sigma / alpha is in this range', interval)
    .option('--weights <which>', 'ema (default), the name of an entry in extraEmas, or raw')
    .option(
      '--label <class>',
      'class of all images, for a conditional model (default: cycle through the classes)',
      numeric,
    )
    .option('--seed <n>', 'random seed of the noise (default: 0)', numeric)
    .option('--engine <name>', "compute engine (default: the run's)")
    .option('--threads <n>', 'number of engine threads', numeric);
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
    throw new UserError(`--guidance-interval ${text}: must be two numbers in ascending order, such as 0.2,3.`);
  }
  return [low, high];
}
