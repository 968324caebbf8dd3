/** Sets of samples generated from the same noise, in the same order. */
import { extname } from 'node:path';
import { readNpy, toFloat } from '@dm/data';
import type { SampleSet } from '@dm/eval';
import { inPhase } from '../../setup/phases.js';
import { UserError } from '../../errors.js';
import {
  generateSamples,
  readSelectedCheckpoint,
  samplingConfig,
  type GenerateSamplesOptions,
} from '../../sampling/generate-samples.js';
import { runOrCheckpoint } from '../../checkpoint/resolve.js';
import { openDenoiser } from '../../setup/open-denoiser.js';

/** Default number of samples per set. */
const defaultSamples = 64;

export interface SameNoiseOptions extends Pick<
  GenerateSamplesOptions,
  'best' | 'noise' | 'seed' | 'steps' | 'sampler' | 'engine' | 'device' | 'threads' | 'onNote' | 'onPhase'
> {
  /** Samples per set. Default: as many as the shortest file of samples has, or else the noise, or 64. */
  readonly count?: number;
  /** Called before the samples of a run are generated. */
  readonly onSet?: (name: string) => void;
}

export interface SameNoiseSets {
  /** [H, W, C] */
  readonly shape: readonly [number, number, number];
  readonly count: number;
  /** Generates the samples of runs, and returns all sets. */
  readonly sample: () => Promise<readonly SampleSet[]>;
}

/**
 * Samples of runs and checkpoints from the noise of one seed or one file, and `.npy` files of samples, which the caller must
 * have generated from the same noise. Pixels are in [-1, 1]. Nothing is generated before `sample`.
 *
 * @throws {UserError} if shapes or counts do not match; the message names the set
 */
export async function openSameNoise(specs: readonly string[], options: SameNoiseOptions = {}): Promise<SameNoiseSets> {
  if (specs.length < 2) throw new UserError(`Consistency compares at least 2 sets; ${specs.length} given.`);
  const repeated = specs.find((spec, i) => specs.indexOf(spec) !== i);
  if (repeated !== undefined) throw new UserError(`${repeated} is given twice.`);
  const { count: asked, onSet, ...sampling } = options;
  const shapes = new Map<string, readonly number[]>();
  for (const spec of specs) if (!isFile(spec)) shapes.set(spec, imageShape(spec, options));
  const files = new Map<string, { data: Float32Array; shape: readonly number[] }>();
  for (const spec of specs) if (isFile(spec)) files.set(spec, await readSamples(spec));
  const count = asked ?? (await defaultCount([...files.values()], options));
  for (const [spec, { shape }] of files) {
    if (count > shape[0]!) throw new UserError(`${spec} has ${shape[0]} samples; ${count} were asked for.`);
    shapes.set(spec, shape.slice(1));
  }
  const [first] = specs;
  const [height, width, channels] = shapes.get(first!)!;
  for (const spec of specs) {
    const shape = shapes.get(spec)!;
    if (shape.join('x') !== shapes.get(first!)!.join('x')) {
      throw new UserError(
        `${spec} has samples of ${shape.join('x')}, ${first} of ${shapes.get(first!)!.join('x')}: they cannot come from the same noise.`,
        { code: 'SETS_MISMATCH' },
      );
    }
  }
  return {
    shape: [height!, width!, channels!],
    count,
    async sample() {
      const sets: SampleSet[] = [];
      for (const spec of specs) {
        const file = files.get(spec);
        if (file !== undefined) {
          sets.push({ name: spec, samples: file.data.subarray(0, count * height! * width! * channels!) });
          continue;
        }
        onSet?.(spec);
        const { images } = await inPhase(sampling.onPhase, `sampling ${spec}`, () =>
          generateSamples({ ...sampling, ...runOrCheckpoint(spec), count }),
        );
        sets.push({ name: spec, samples: images });
      }
      return sets;
    },
  };
}

/** As many as the shortest file of samples or the noise has. */
async function defaultCount(
  files: readonly { readonly shape: readonly number[] }[],
  { noise }: SameNoiseOptions,
): Promise<number> {
  if (files.length > 0) return Math.min(...files.map(({ shape }) => shape[0]!));
  return noise === undefined ? defaultSamples : (await readNpy(noise)).shape[0]!;
}

/**
 * The shape of a run's samples, [H, W, C].
 *
 * @throws {UserError} `DATA_MISMATCH` if they are latents: features and PSNR need images in [-1, 1]
 */
function imageShape(spec: string, options: SameNoiseOptions): readonly number[] {
  const { onNote: _, ...silent } = options;
  const asked = { ...silent, ...runOrCheckpoint(spec) };
  const config = samplingConfig(readSelectedCheckpoint(asked), asked);
  if (config.latents === null) return openDenoiser(config).model.inputShape;
  throw new UserError(
    `${spec} generates latents, but only images are compared. Decode samples of both, as .npy files.`,
    {
      code: 'DATA_MISMATCH',
    },
  );
}

function isFile(spec: string): boolean {
  return extname(spec).toLowerCase() === '.npy';
}

async function readSamples(path: string): Promise<{ data: Float32Array; shape: readonly number[] }> {
  const { data, shape } = await readNpy(path);
  if (shape.length !== 4 || !(data instanceof Float32Array || data instanceof Uint8Array)) {
    throw new UserError(
      `${path} is ${data.constructor.name} [${shape.join(', ')}]; samples are float32 in [-1, 1] or uint8, [N, H, W, C].`,
      { code: 'FILE_INVALID' },
    );
  }
  return { data: data instanceof Uint8Array ? toFloat(data) : data, shape };
}
