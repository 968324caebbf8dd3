/** `dm eval bound`. */
import { fileKind } from '@dm/files';
import { hasTestImages } from '@dm/data';
import { Command, Option } from 'commander';
import { resolveConfig } from '../../config/resolve.js';
import { savedConfig } from '../../config/saved-config.js';
import type { Config, PartialConfig } from '../../config/schema.js';
import { imageResizeNames } from '../../config/names.js';
import { computeBounds } from '../../eval/validation/bounds.js';
import { boundRows, validationLines } from '../../eval/validation/table.js';
import { createValidationSet, openValidationData } from '../../eval/validation/validator.js';
import { hasRun, runFolder } from '../../run/run-folder.js';
import { engineLayers } from '../../sampling/generate-samples.js';
import { createNoiseSchedule } from '../../setup/denoiser.js';
import { engineOptions, openEngine } from '../../setup/engine.js';
import { continuousProcess } from '../../setup/noise-process.js';
import { openData } from '../../setup/open-training-setup.js';
import { inPhase } from '../../setup/phases.js';
import { print, printJson, printNote } from '../../terminal/output.js';
import { createProgressBar } from '../../terminal/progress-bar.js';
import {
  type CommonFlags,
  type EngineFlags,
  integer,
  number,
  withCommonOptions,
  withEngineOptions,
} from '../common.js';
import { checkCount } from './loss.js';

interface BoundFlags extends CommonFlags, EngineFlags {
  readonly images: number;
  readonly draws: number;
  readonly holdOut?: number;
  readonly imageSize?: number;
  readonly imageChannels?: 1 | 3;
  readonly imageResize?: (typeof imageResizeNames)[number];
  readonly skipBad?: boolean;
}

/** Share of the images that is held out of data without test images. */
const defaultShare = 0.05;

export function boundCommand(): Command {
  const command = new Command('bound')
    .description(
      'Losses to compare a validation loss with, by noise range: of the Wiener filter (the optimal linear denoiser) and of ' +
        'the posterior mean over the training images, both on held-out images.',
    )
    .argument('<data>', 'data set, or a run, whose data and noise levels are used')
    .option('--images <n>', 'held-out images, at most (the posterior mean uses 256 of them)', integer, 1000)
    .option('--draws <n>', 'draws of noise per image and noise range', integer, 1)
    .option(
      '--hold-out <fraction>',
      `fraction of the images to hold out (default: test images if the data has them, otherwise ${defaultShare})`,
      number,
    )
    .option('--image-size <pixels>', 'size to which image files are resized', integer)
    .option('--image-channels <1|3>', 'channels of image files (default: 3)', integer)
    .addOption(
      new Option('--image-resize <method>', `how image files are resized (default: ${imageResizeNames[0]})`).choices(
        imageResizeNames,
      ),
    )
    .option('--skip-bad', 'skip images that cannot be decoded');
  return withCommonOptions(withEngineOptions(command)).action(run);
}

async function run(data: string, flags: BoundFlags): Promise<void> {
  const { images, draws, json } = flags;
  checkCount('--images', images, 1_000_000);
  checkCount('--draws', draws, 1000);
  const isRun = fileKind(data) === 'folder' && hasRun(runFolder(data));
  const config = isRun ? ofRun(data, flags) : ofData(data, flags);
  // The loss depends on the signal-to-noise ratio only.
  const diffusion = isRun ? config.diffusion : { ...config.diffusion, schedule: { type: 'edm' as const } };
  const continuous = continuousProcess(diffusion);
  const levels = { noiseSchedule: createNoiseSchedule(diffusion), ...(continuous !== undefined && { continuous }) };
  const progress = createProgressBar(process.stderr);
  const { onPhase } = progress;
  try {
    const train = await inPhase(onPhase, `opening data ${config.data}`, () => openData(config));
    const heldOut = await openValidationData(config);
    for (const note of train.notes ?? []) printNote(note, flags, 'note: ');
    const set = await createValidationSet(levels, heldOut, { images, draws });
    const engine = await openEngine(config.engine, { ...engineOptions(config), onPhase });
    try {
      const bounds = await computeBounds(train, set, engine, (done, of) => progress('training images', done, of));
      progress.end();
      if (json === true) printJson({ event: 'bound', data: config.data, setting: set.setting, ...bounds });
      else print(validationLines(set.setting, boundRows(bounds)));
    } finally {
      await engine.dispose();
    }
  } finally {
    progress.end();
  }
}

function ofRun(path: string, { engine, device, threads, holdOut, skipBad }: BoundFlags): Config {
  const value = { holdOut, skipBad } as PartialConfig;
  const layers = engineLayers({ engine, device, threads });
  return resolveConfig([savedConfig(runFolder(path)), ...layers, { source: 'the command line', value }]);
}

function ofData(data: string, flags: BoundFlags): Config {
  const { images: _images, draws: _draws, json: _json, debug: _debug, holdOut, ...rest } = flags;
  const share = holdOut ?? (hasTestImages(data) ? null : defaultShare);
  return resolveConfig([{ source: 'the command line', value: { ...rest, data, holdOut: share } as PartialConfig }]);
}
