/** Trains the networks that are missing, samples all from the same noise, and compares their images. */
import { normalBatch } from '@dm/core';
import { openDataset, toBytes, toFloat } from '@dm/data';
import { isTrained, trainDigits, writePicture } from '@dm/experiments';
import { generateSamples } from '@dm/trainer';
import { similarity, summary, withoutLabelMeans, withoutProjections, type Rows, type Summary } from './compare.js';
import { fitGaussians, gaussianImages } from './gaussian.js';
import type { Network, PairGroup } from './networks.js';
import { prefixSwaps, type PrefixSwap } from './prefix-swap.js';

export interface CompareOptions {
  readonly networks: Readonly<Record<string, Network>>;
  readonly groups: readonly PairGroup[];
  /** A network of this name that is not trained, with a seed that no other network has. */
  readonly control: { readonly network: string; readonly seed: number };
  /** Folder of the run of a network. */
  readonly runOf: (network: string, seed: number) => string;
  /** Number of noises, and of images of each network; a multiple of ten. */
  readonly count: number;
  /** Sampling steps. */
  readonly steps: number;
  /** Images to which the Gaussian distribution is fitted. */
  readonly split: 'train' | 'test';
  /** Otherwise networks that are not trained are left out. */
  readonly trainMissing: boolean;
  /** The network whose first sampling steps are swapped, with all its seeds, and the number of steps between two swaps. */
  readonly swap: { readonly network: string; readonly every: number };
  /** Folder for samples.png. */
  readonly pictures: string;
  /** Also compare networks with the same seed. */
  readonly sameSeed?: boolean;
}

/** Similarity of images of the same label, relative to the mean of their label. */
export interface GroupResult {
  readonly name: string;
  readonly networks: readonly [string, string];
  readonly pairs: number;
  readonly same: Summary;
  readonly found: Summary;
  /** Without what images of the Gaussian distribution and of the control, and the noise itself, explain linearly. */
  readonly residual: Summary;
}

export interface Results {
  readonly count: number;
  /** Sampling steps. */
  readonly steps: number;
  readonly networks: readonly {
    readonly name: string;
    readonly description: string;
    readonly seeds: readonly number[];
  }[];
  /** Networks and seeds that are not trained, and groups without pairs. */
  readonly missing: readonly string[];
  readonly groups: readonly GroupResult[];
  /** Similarity of each network's images to the Gaussian distribution's. */
  readonly gaussian: readonly { readonly name: string; readonly networks: number; readonly same: Summary }[];
  /** The networks whose first sampling steps were swapped. */
  readonly swapped: { readonly name: string; readonly networks: number; readonly swaps: readonly PrefixSwap[] };
}

/** Random seed of the noise. */
const NOISE_SEED = 5;
const CLASSES = 10;
/** Columns of the picture. */
const COLUMNS = 10;

/** The images of one network. */
interface Sampled {
  readonly network: string;
  readonly seed: number;
  readonly rows: Rows;
}

export async function compareNetworks(options: CompareOptions): Promise<Results> {
  const { networks, count, groups } = options;
  const data = await openDataset('mnist', { split: options.split });
  const { length, shape } = data;
  const dimension = shape.reduce((product, side) => product * side, 1);
  const { images, labels: imageLabels } = await data.read(Uint32Array.from({ length }, (_, i) => i));
  const labels = Int32Array.from({ length: count }, (_, i) => i % CLASSES);
  const noise = normalBatch(
    { seed: NOISE_SEED, stream: 'sample', step: 0, indices: Uint32Array.from(labels, (_, i) => i) },
    shape,
  );
  const gaussians = fitGaussians({ values: toFloat(images), dimension }, imageLabels!);
  const gaussian = gaussianImages(gaussians, { values: noise.data, dimension }, labels);

  const sample = async (network: string, seed: number, run: string): Promise<Sampled> => {
    const generated = await generateSamples({ run, count, seed: NOISE_SEED, steps: options.steps, guidance: 1 });
    console.log(`${network}, seed ${seed}: ${count} images`);
    return { network, seed, rows: { values: generated.images, dimension } };
  };
  const sampled: Sampled[] = [];
  const missing: string[] = [];
  for (const [network, { config, steps, seeds }] of Object.entries(networks)) {
    for (const seed of seeds) {
      const training = { config, steps, seed, run: options.runOf(network, seed) };
      if (options.trainMissing) await trainDigits(training);
      else if (!isTrained(training)) {
        missing.push(`${network}, seed ${seed}`);
        continue;
      }
      sampled.push(await sample(network, seed, training.run));
    }
  }
  const { control } = options;
  const run = options.runOf(control.network, control.seed);
  await trainDigits({ config: networks[control.network]!.config, steps: 1, seed: control.seed, run });
  const untrained = await sample(control.network, control.seed, run);
  await writePicture(options.pictures, {
    name: 'samples',
    caption: '',
    shape,
    scale: 1,
    rows: [
      ...sampled.map(({ network, seed, rows }) => ({ name: `${network}, seed ${seed}`, rows })),
      { name: 'Gaussian', rows: gaussian },
    ].map(({ name, rows }) => ({ name, images: toBytes(rows.values.subarray(0, COLUMNS * dimension)) })),
  });

  const centered = (rows: Rows) => withoutLabelMeans(rows, labels);
  const linear = centered(gaussian);
  const controls = [linear, centered(untrained.rows), centered({ values: noise.data, dimension })];
  const relative = sampled.map((one) => ({ ...one, rows: centered(one.rows) }));
  const residual = (rows: Rows) => withoutProjections(centered(rows), controls);
  const rest = sampled.map((one) => ({ ...one, rows: residual(one.rows) }));
  const { network: swappedName, every } = options.swap;
  const swappedRuns = sampled.flatMap(({ network, seed }) =>
    network === swappedName ? [options.runOf(network, seed)] : [],
  );
  const common = { gaussians, noise, labels, steps: options.steps, every, centered, residual };
  const swaps = swappedRuns.length === 0 ? [] : await prefixSwaps({ runs: swappedRuns, ...common });
  return {
    count,
    steps: options.steps,
    networks: Object.entries(networks).map(([name, { description }]) => ({
      name,
      description,
      seeds: sampled.filter(({ network }) => network === name).map(({ seed }) => seed),
    })),
    missing: [
      ...missing,
      ...groups
        .filter(({ networks: both }) => pairs(relative, both, options.sameSeed).length === 0)
        .map(({ name }) => `pairs "${name}"`),
    ],
    groups: groups.flatMap((group) => {
      const compared = (all: readonly Sampled[]) =>
        pairs(all, group.networks, options.sameSeed).map(([a, b]) => similarity(a.rows, b.rows, labels));
      const [whole, remaining] = [compared(relative), compared(rest)];
      if (whole.length === 0) return [];
      return {
        ...group,
        pairs: whole.length,
        same: summary(whole.map(({ same }) => same)),
        found: summary(whole.map(({ found }) => found)),
        residual: summary(remaining.map(({ same }) => same)),
      };
    }),
    gaussian: Object.keys(networks).flatMap((name) => {
      const own = relative.filter(({ network }) => network === name);
      if (own.length === 0) return [];
      return {
        name,
        networks: own.length,
        same: summary(own.map(({ rows }) => similarity(rows, linear, labels).same)),
      };
    }),
    swapped: { name: swappedName, networks: swappedRuns.length, swaps },
  };
}

/** Pairs of one network with different seeds, or of two networks with different seeds. */
function pairs(all: readonly Sampled[], [a, b]: PairGroup['networks'], sameSeed = false): [Sampled, Sampled][] {
  return all
    .filter(({ network }) => network === a)
    .flatMap((one) =>
      all
        .filter(({ network, seed }) => network === b && (a === b ? one.seed < seed : sameSeed || one.seed !== seed))
        .map((other): [Sampled, Sampled] => [one, other]),
    );
}
