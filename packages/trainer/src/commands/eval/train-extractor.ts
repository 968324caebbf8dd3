/** `dm eval train-extractor`. */
import { existsSync } from 'node:fs';
import { datasetForms } from '@dm/data';
import { Command } from 'commander';
import { atomicWriteFile } from '../../files/atomic-write.js';
import { checkFileOutput } from '../../files/check-output.js';
import { openEngine } from '../../setup/engine.js';
import { UserError } from '../../errors.js';
import { trainExtractor } from '../../eval/extractors/train-extractor.js';
import { print, printJson } from '../../terminal/output.js';
import {
  type CommonFlags,
  type EngineFlags,
  integer,
  number,
  withCommonOptions,
  withEngineOptions,
} from '../common.js';
import { createProgressBar } from '../../terminal/progress-bar.js';

interface TrainExtractorFlags extends CommonFlags, EngineFlags {
  readonly out: string;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly lr?: number;
  readonly seed: number;
  readonly imageSize?: number;
  readonly imageChannels?: number;
  readonly engine: string;
}

export function trainExtractorCommand(): Command {
  const command = new Command('train-extractor')
    .description(
      'Train a small classifier whose hidden layer is a feature extractor, for images (such as digits) that the ' +
        `pretrained extractors do not cover. <data> must have labels; one of ${datasetForms.join(', ')}.`,
    )
    .argument('<data>', 'labeled training data')
    .requiredOption(
      '--out <file.safetensors>',
      'output file, for --extractor classifier --weights <file>; must not exist yet',
    )
    .option('--epochs <n>', 'passes over the training images (default: 3)', integer)
    .option('--batch-size <n>', 'images per step (default: 128)', integer)
    .option('--lr <rate>', 'peak learning rate (default: 0.002)', number)
    .option('--seed <n>', 'random seed of the initial weights and of the order of images', integer, 0)
    .option('--image-size <n>', 'image size in pixels, for image folders', integer)
    .option('--image-channels <n>', 'image channels, 1 or 3, for image folders', integer);
  return withCommonOptions(withEngineOptions(command, 'onnx')).action(run);
}

async function run(data: string, flags: TrainExtractorFlags): Promise<void> {
  const { out, epochs, batchSize, lr, seed, imageSize, imageChannels, json } = flags;
  if (existsSync(out))
    throw new UserError(`${out} already exists. Choose another file with --out.`, { code: 'FILE_EXISTS' });
  checkFileOutput('--out', out);
  const progress = createProgressBar(process.stderr);
  const { onPhase } = progress;
  const engine = await openEngine(flags.engine, { ...flags, onPhase });
  try {
    const { file, sha256, testAccuracy, testImages, steps } = await trainExtractor({
      data,
      engine,
      seed,
      ...(epochs !== undefined && { epochs }),
      ...(batchSize !== undefined && { batchSize }),
      ...(lr !== undefined && { lr }),
      ...(imageSize !== undefined && { size: imageSize }),
      ...(imageChannels !== undefined && { channels: imageChannels as 1 | 3 }),
      onProgress: (done, of) => progress('training', done, of),
    });
    progress.end();
    atomicWriteFile(out, file, { overwrite: false });
    if (json === true) printJson({ event: 'extractor', out, sha256, testAccuracy, testImages, steps });
    else {
      const percent = (100 * testAccuracy).toFixed(2);
      print(`${out}: test accuracy ${percent}% (${testImages} images) after ${steps} steps, SHA-256 ${sha256}`);
    }
  } finally {
    progress.end();
    await engine.dispose();
  }
}
