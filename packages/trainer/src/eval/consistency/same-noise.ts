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

export interface SameNoiseOptions extends Pick<
  GenerateSamplesOptions,
  'best' | 'noise' | 'seed' | 'steps' | 'sampler' | 'engine' | 'device' | 'threads' | 'onNote' | 'onPhase'
> {
  /** Samples per set. Default: as many as the shortest file of samples has, or 64 if there are no files. */
  readonly count?: number;
  /** Called before the samples of a run are generated. */
  readonly onSet?: (name: string) => void;
}

export interface SameNoiseSets {
  readonly sets: readonly SampleSet[];
  /** [H, W, C] */
  readonly shape: readonly [number, number, number];
  readonly count: number;
}

/**
 * Samples of runs and checkpoints from the noise of one seed or one file, and `.npy` files of samples, which the caller must
 * have generated from the same noise. Pixels are in [-1, 1].
 *
 * @throws {UserError} if shapes or counts do not match; the message names the set
 */
export async function openSameNoise(specs: readonly string[], options: SameNoiseOptions = {}): Promise<SameNoiseSets> {
  if (specs.length < 2) throw new UserError(`Consistency compares at least 2 sets; ${specs.length} given.`);
  const repeated = specs.find((spec, i) => specs.indexOf(spec) !== i);
  if (repeated !== undefined) throw new UserError(`${repeated} is given twice.`);
  const { count: asked, onSet, ...sampling } = options;
  for (const spec of specs) if (!isFile(spec)) checkImages(spec, options);
  const files = new Map<string, { data: Float32Array; shape: readonly number[] }>();
  for (const spec of specs) if (isFile(spec)) files.set(spec, await readSamples(spec));
  // Files determine how many samples a run has to generate.
  const lengths = [...files.values()].map(({ shape }) => shape[0]!);
  const count = asked ?? (lengths.length > 0 ? Math.min(...lengths) : undefined);

  const sets: { name: string; samples: Float32Array; shape: readonly number[] }[] = [];
  for (const spec of specs) {
    const file = files.get(spec);
    if (file !== undefined) {
      const [length, ...shape] = file.shape;
      if (count! > length!) throw new UserError(`${spec} has ${length} samples; ${count} were asked for.`);
      const size = file.data.length / length!;
      sets.push({ name: spec, samples: file.data.subarray(0, count! * size), shape });
      continue;
    }
    onSet?.(spec);
    const { images, shape } = await inPhase(sampling.onPhase, `sampling ${spec}`, () =>
      generateSamples({ ...sampling, ...runOrCheckpoint(spec), ...(count !== undefined && { count }) }),
    );
    sets.push({ name: spec, samples: images, shape: shape.slice(1) });
  }
  const [first] = sets;
  for (const { name, shape } of sets) {
    if (shape.join('x') !== first!.shape.join('x')) {
      throw new UserError(
        `${name} has samples of ${shape.join('x')}, ${first!.name} of ${first!.shape.join('x')}: they cannot come from the same noise.`,
        { code: 'SETS_MISMATCH' },
      );
    }
  }
  const [height, width, channels] = first!.shape;
  const shape = [height!, width!, channels!] as const;
  return { sets, shape, count: first!.samples.length / (height! * width! * channels!) };
}

/** Features and PSNR need images in [-1, 1]. */
function checkImages(spec: string, options: SameNoiseOptions): void {
  const { onNote: _, ...silent } = options;
  const asked = { ...silent, ...runOrCheckpoint(spec) };
  if (samplingConfig(readSelectedCheckpoint(asked), asked).latents === null) return;
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
