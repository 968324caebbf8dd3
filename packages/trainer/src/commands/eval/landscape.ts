/** `dm eval landscape`. */
import { join } from 'node:path';
import {
  bucketCoordinates,
  filterNormalizedDirection,
  hessianSpectrum,
  interpolate,
  planeSlice,
  type BucketCoordinate,
  type HessianSpectrum,
  type Interpolation,
  type Plane,
} from '@dm/eval';
import { Command, Option } from 'commander';
import { atomicWriteFile } from '../../files/atomic-write.js';
import { makeOutputFolder } from '../../files/write-new.js';
import { openRunObjective, type RunObjective } from '../../eval/landscape/run-objective.js';
import { aligned, digits } from '../../eval/sets/table.js';
import { bucketName } from '../../plot/difficulty-plot.js';
import { interpolationPlot, planePlot, spectrumPlot } from '../../plot/landscape-plot.js';
import { print, printJson, printNote } from '../../terminal/output.js';
import {
  type CommonFlags,
  type EngineFlags,
  integer,
  number,
  withCommonOptions,
  withEngineOptions,
} from '../common.js';
import { createProgressBar, type ProgressBar } from '../../terminal/progress-bar.js';

interface LandscapeFlags extends CommonFlags, EngineFlags {
  readonly points: number;
  readonly from: number;
  readonly to: number;
  readonly plane: number;
  readonly range: number;
  readonly lanczos: number;
  readonly probes: number;
  readonly top: number;
  readonly buckets: number;
  readonly coordinate: BucketCoordinate;
  readonly images: number;
  readonly seed: number;
  readonly weights: 'raw' | 'ema';
  readonly best?: boolean;
  readonly out?: string;
}

export function landscapeCommand(): Command {
  const command = new Command('landscape')
    .description(
      'Loss landscape of a run on fixed held-out images: along the line to a second run, on a filter-normalized plane, ' +
        'and the eigenvalues of the Hessian.',
    )
    .argument('<run>', 'run or checkpoint folder')
    .argument(
      '[other]',
      'second run or checkpoint of the same architecture; the line runs from the first (t = 0) to it (t = 1)',
    )
    .option('--points <n>', 'number of points on the line', integer, 31)
    .option('--from <t>', 'first t on the line', number, -0.25)
    .option('--to <t>', 'last t on the line', number, 1.25)
    .option('--plane <n>', 'points per side of the plane, odd; 0 skips the plane', integer, 0)
    .option('--range <r>', 'the plane covers -r to r', number, 1)
    .option('--lanczos <n>', 'Lanczos steps for the Hessian, two gradients each; 0 skips the Hessian', integer, 30)
    .option('--probes <n>', 'random start vectors for Lanczos', integer, 1)
    .option('--top <n>', 'number of eigenvalues to print', integer, 5)
    .option('--buckets <n>', 'number of noise ranges, with one Hessian each', integer, 1)
    .addOption(
      new Option('--coordinate <name>', 'coordinate that is divided into equal ranges')
        .choices(bucketCoordinates)
        .default('timestep'),
    )
    .option('--images <n>', 'number of images: up to 64, or a multiple of 64', integer, 64)
    .option('--seed <n>', 'random seed of images, noise and directions', integer, 0)
    .addOption(
      new Option('--weights <which>', 'which weights of the checkpoints').choices(['raw', 'ema']).default('raw'),
    )
    .option('--best', 'use the checkpoint with the best metric of a run instead of the newest')
    .option('--out <folder>', 'write line.svg, plane.svg, spectrum.svg and landscape.json to this folder');
  return withCommonOptions(withEngineOptions(command)).action(run);
}

interface Landscape {
  readonly runs: readonly string[];
  readonly setting: RunObjective['setting'];
  readonly loss: readonly number[];
  readonly line?: Interpolation;
  readonly plane?: Plane;
  readonly spectra: readonly { readonly name: string; readonly spectrum: HessianSpectrum }[];
}

async function run(first: string, other: string | undefined, flags: LandscapeFlags): Promise<void> {
  const runs = other === undefined ? [first] : [first, other];
  if (flags.out !== undefined) makeOutputFolder(flags.out);
  const progress = createProgressBar(process.stderr);
  let landscape: Landscape;
  try {
    landscape = await measure(runs, flags, progress);
  } finally {
    progress.end();
  }
  if (flags.out !== undefined) await write(flags.out, landscape);
  if (flags.json === true) printJson({ event: 'landscape', ...plain(landscape) });
  else print([...landscapeLines(landscape), ...(flags.out === undefined ? [] : ['', `plots: ${flags.out}`])]);
}

async function measure(runs: readonly string[], flags: LandscapeFlags, progress: ProgressBar): Promise<Landscape> {
  const { seed, points, from, to, range, probes, top } = flags;
  const { onPhase } = progress;
  const told = (name: string) => (done: number, of: number) => progress(name, done, of);
  // Line and plane use all noise levels, like the training loss.
  const onNote = (text: string) => printNote(text, flags, 'note: ');
  const whole = await openRunObjective(runs, { ...flags, buckets: 1, onNote, onPhase });
  let result: Landscape;
  try {
    const objective = whole.objective(0);
    const [a, b] = whole.params;
    const loss: number[] = [];
    for (const params of whole.params) loss.push(await objective.loss(params));
    const line = b && (await interpolate(objective, a!, b, { points, from, to, onProgress: told('line') }));
    const { layout } = whole.denoiser;
    const plane =
      flags.plane === 0
        ? undefined
        : await planeSlice(
            objective,
            a!,
            [filterNormalizedDirection(a!, layout, seed, 0), filterNormalizedDirection(a!, layout, seed, 1)],
            {
              range,
              points: flags.plane,
              onProgress: told('plane'),
            },
          );
    result = { runs, setting: whole.setting, loss, ...(line && { line }), ...(plane && { plane }), spectra: [] };
  } finally {
    await whole.dispose();
  }
  if (flags.lanczos === 0) return result;
  const each = await openRunObjective(runs.slice(0, 1), flags);
  try {
    const spectra: Landscape['spectra'][number][] = [];
    for (const [k, bucket] of each.setting.buckets.entries()) {
      const name = bucketName(bucket);
      const options = { seed, steps: flags.lanczos, probes, top, onProgress: told(`Hessian of timesteps ${name}`) };
      spectra.push({ name, spectrum: await hessianSpectrum(each.objective(k), each.params[0]!, options) });
    }
    return { ...result, spectra };
  } finally {
    await each.dispose();
  }
}

async function write(folder: string, landscape: Landscape): Promise<void> {
  const { runs, line, plane, spectra } = landscape;
  const put = (name: string, text: string) => atomicWriteFile(join(folder, name), text);
  put('landscape.json', `${JSON.stringify(plain(landscape), null, 2)}\n`);
  if (line !== undefined) put('line.svg', await interpolationPlot(line, [runs[0]!, runs[1]!]));
  if (plane !== undefined) put('plane.svg', await planePlot(plane, runs[0]!));
  if (spectra.length > 0) put('spectrum.svg', await spectrumPlot(spectra));
}

/** Replaces typed arrays, which JSON.stringify writes as objects, by plain arrays. */
function plain(landscape: Landscape): object {
  return JSON.parse(
    JSON.stringify(landscape, (_, value: unknown) => (value instanceof Float64Array ? [...value] : value)),
  ) as object;
}

function landscapeLines({ runs, setting, loss, line, plane, spectra }: Landscape): string[] {
  const lines = [
    `unweighted ${setting.prediction} loss on ${setting.images} images of ${setting.data}, averaged over all timesteps`,
    ...runs.map((name, k) => `  ${name}: ${digits(loss[k]!)}`),
  ];
  if (line !== undefined) {
    lines.push(
      '',
      'line between the two runs',
      ...aligned(line.at.map((t, k) => [t.toFixed(3), digits(line.loss[k]!)])),
    );
    if (line.barrier !== null)
      lines.push(`barrier above the linear interpolation of the two losses: ${digits(line.barrier)}`);
  }
  if (plane !== undefined) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of plane.loss) [low, high] = [Math.min(low, value), Math.max(high, value)];
    lines.push(
      '',
      `plane of ${plane.at.length}x${plane.at.length} points: loss from ${digits(low)} to ${digits(high)}`,
    );
  }
  if (spectra.length === 0) return lines;
  const row = ({ name, spectrum }: Landscape['spectra'][number]) => [
    name,
    spectrum.largest.map(({ value }) => digits(value)).join(' '),
    digits(spectrum.smallest[0]!.value),
    digits(spectrum.trace.value),
    digits(spectrum.error.step),
    spectrum.error.stepError.toExponential(1),
    spectrum.error.largest.toExponential(1),
  ];
  const header = ['timesteps', 'largest', 'smallest', 'trace', 'step', 'step error', 'error of largest'];
  lines.push(
    '',
    `eigenvalues of the Hessian at ${runs[0]}`,
    ...aligned([header, ...spectra.map(row)]),
    'step error: relative difference between products at adjacent step sizes; error of largest: |H y - value y| / value at half the step size.',
  );
  return lines;
}
