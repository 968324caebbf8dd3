/**
 * Tables of the timestep schedule, of loss weights and of the optimizer's schedules, for training in other frameworks:
 * `python/dm_tables.py` reads them. A file has `meta` (JSON) and arrays of numbers; .npz stores float64 arrays and `meta` as
 * UTF-8 bytes, .json the fields `meta` and `arrays`.
 */
import { extname } from 'node:path';
import {
  curriculumTable,
  lossWeights,
  snrFromAlphasCumprod,
  type TimestepSchedule,
  weightedPredictions,
  type WeightedPrediction,
} from '@dm/curriculum';
import { writeNpz } from '@dm/data';
import { explainPart } from '../config/resolve.js';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import { atomicWriteFile } from '../files/atomic-write.js';
import { createNoiseSchedule, predictionOptions } from '../setup/denoiser.js';
import { continuousProcess } from '../setup/noise-process.js';
import { optimizerTable } from '../setup/optimizers.js';
import { curriculumOf, weightRule, weightScaleAt } from '../setup/training-setup.js';

export interface Table {
  readonly meta: Readonly<Record<string, unknown>>;
  readonly arrays: Readonly<Record<string, Float64Array>>;
}

/**
 * The table of a configuration's timestep schedule: `density` [T], `lambda` [totalSteps] or [1] and `weights` [T] as in
 * `CurriculumTable`, and `lossWeights.<prediction>` [T], the configured loss weighting for each prediction for which it is
 * finite. With `normalizeLossWeights`, also `lossScale.<prediction>` [totalSteps] or [1], the factor of these weights.
 *
 * @throws {UserError} if the schedule adapts to losses, the noise levels are continuous, or an option is invalid
 */
export function tableOfCurriculum(config: Config): Table {
  const { diffusion, totalSteps, curriculum, lossWeighting } = config;
  if (continuousProcess(diffusion) !== undefined) {
    throw new UserError(
      `diffusion.schedule is ${diffusion.schedule.type}, in continuous time, but a table is of timesteps. Set a discrete ` +
        'diffusion.schedule, such as linear.',
      { code: 'CONFIG_INVALID' },
    );
  }
  const schedule = explainPart('curriculum', config, () => curriculumOf(config));
  if (schedule.mixture === undefined) throw adaptiveError(curriculum.type);
  const { isImportanceCorrected, ...arrays } = curriculumTable(schedule, totalSteps);
  const { alphasCumprod, numTimesteps } = createNoiseSchedule(diffusion);
  const snr = snrFromAlphasCumprod(alphasCumprod);
  const weights = weightedPredictions.flatMap((prediction) => {
    const values = finiteWeights(config, prediction, snr);
    if (values === undefined) return [];
    const scales = scalesOf(config, schedule, values, arrays.lambda.length);
    return [
      [`lossWeights.${prediction}`, values] as const,
      ...(scales === undefined ? [] : [[`lossScale.${prediction}`, scales] as const]),
    ];
  });
  return {
    meta: {
      kind: 'dm-curriculum-table',
      version: 1,
      numTimesteps,
      totalSteps,
      importanceCorrected: isImportanceCorrected,
      curriculum,
      noiseSchedule: diffusion.schedule,
      lossWeighting,
    },
    arrays: { ...arrays, ...Object.fromEntries(weights) },
  };
}

/** The factors that normalize loss weights at each of the first `steps` optimizer steps; undefined if they are all 1. */
function scalesOf(
  config: Config,
  curriculum: TimestepSchedule,
  weights: Float64Array,
  steps: number,
): Float64Array | undefined {
  const setup = { config, curriculum, lossWeights: weights };
  const scales = Float64Array.from({ length: steps }, (_, step) => weightScaleAt(setup, step, undefined));
  return scales.every((scale) => scale === 1) ? undefined : scales;
}

/** The loss weights of a prediction; undefined if one is infinite, as of epsilon at SNR 0 with some weightings. */
function finiteWeights(config: Config, prediction: WeightedPrediction, snr: Float64Array): Float64Array | undefined {
  try {
    return lossWeights(weightRule(config), { snr, prediction, ...predictionOptions(config.diffusion) });
  } catch (error) {
    if (error instanceof RangeError && prediction === 'epsilon' && snr.at(-1) === 0) return undefined;
    throw error;
  }
}

/** A schedule whose density depends on the losses of a run. */
export function adaptiveError(type: string): UserError {
  return new UserError(
    `The timestep schedule ${type} adapts to the losses of a run: its density is not known before. Choose another ` +
      '--schedule.',
    { code: 'CONFIG_INVALID' },
  );
}

/**
 * The table of a configuration's optimizer: `lr` and `beta1` at each optimizer step, [totalSteps] each.
 *
 * @throws {UserError} if the optimizer does not support an option, or has its own schedule
 */
export function tableOfOptimizer({ optimizer, totalSteps }: Config): Table {
  return {
    meta: { kind: 'dm-optimizer-table', version: 1, totalSteps, optimizer },
    arrays: optimizerTable(optimizer, totalSteps),
  };
}

const extensions = ['.npz', '.json'];

/** @throws {UserError} if a table cannot be written to a file of this name */
export function checkTableOutput(path: string): void {
  if (!extensions.includes(extname(path).toLowerCase())) {
    throw new UserError(`--out ${path}: must end in ${extensions.join(' or ')}.`);
  }
}

/** Writes a table; an existing file is replaced. */
export async function writeTable(path: string, { meta, arrays }: Table): Promise<void> {
  const entries = Object.entries(arrays);
  if (extname(path).toLowerCase() === '.json') {
    const values = Object.fromEntries(entries.map(([name, data]) => [name, Array.from(data)]));
    atomicWriteFile(path, `${JSON.stringify({ meta, arrays: values })}\n`);
    return;
  }
  const text = new TextEncoder().encode(JSON.stringify(meta));
  await writeNpz(path, {
    meta: { shape: [text.length], data: text },
    ...Object.fromEntries(entries.map(([name, data]) => [name, { shape: [data.length], data }])),
  });
}
