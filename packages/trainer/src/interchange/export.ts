/**
 * Exports a trained model for other programs.
 *
 *   import { exportModel } from '@dm/trainer';
 *   await exportModel({ run: 'runs/digits', format: 'diffusers', out: 'digits' });
 */
import { extname } from 'node:path';
import { formatSafetensors, PipelineError, pipelineFiles, type PipelineFiles, toTorch } from '@dm/models';
import { viewFlat, type Arrays } from '@dm/ops';
import { weightsFile } from '../setup/averages.js';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import { suggestion } from '../config/suggestion.js';
import { predictionOptions, type Denoiser } from '../setup/denoiser.js';
import { scalingOf } from '../setup/latents.js';
import { openDenoiser } from '../setup/open-denoiser.js';
import { readSelectedCheckpoint, samplingConfig } from '../sampling/generate-samples.js';
import { readWeights } from '../checkpoint/pack-state.js';
import { classNames } from '../sampling/class-labels.js';
import { denoiserOnnx } from './onnx-denoiser.js';
import { checkNotExisting, writeNewFile, writeNewFolder } from '../files/write-new.js';

export const exportFormats = ['diffusers', 'onnx', 'safetensors'] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportOptions {
  /** Run folder; its newest valid checkpoint is exported. Give this or `checkpoint`. */
  readonly run?: string;
  /** Checkpoint folder. */
  readonly checkpoint?: string;
  /** Export the run's checkpoint with the best metric instead of the newest. */
  readonly best?: boolean;
  /**
   * `diffusers`: a pipeline folder. `onnx`: the denoiser with a dynamic batch size. `safetensors`: only the weights, with
   * the parameter names of the reference implementation and in PyTorch's layout. Default: `onnx` or `safetensors` if
   * `out` has that extension, otherwise `diffusers`.
   */
  readonly format?: string;
  /** `ema` (default), the name of an entry in `extraEmas`, or `raw` for the weights without averaging. */
  readonly weights?: string;
  /** Folder (for `diffusers`) or file to create. */
  readonly out: string;
  /** Receives messages about skipped checkpoints and about the export. */
  readonly onNote?: (text: string) => void;
}

export interface ExportResult {
  readonly out: string;
  readonly format: ExportFormat;
  /** Class name of the model. */
  readonly model: string;
  /** The exported weights: `ema`, a name, or `raw`. */
  readonly weights: string;
  /** Path of the checkpoint that the weights are from. */
  readonly checkpoint: string;
}

/**
 * Exports a model.
 *
 * @throws {UserError} if the model cannot be exported in this format, before anything is written
 */
export async function exportModel(options: ExportOptions): Promise<ExportResult> {
  const { out, weights = 'ema', onNote } = options;
  const format = chosen('--format', options.format ?? formatOf(out), exportFormats);
  checkNotExisting(out);
  const checkpoint = readSelectedCheckpoint(options);
  const denoiser = openDenoiser(samplingConfig(checkpoint, {}));
  const { model, config } = denoiser;
  const arrays = torchWeights(denoiser, readWeights(denoiser, checkpoint, weightsFile(config, weights)));
  switch (format) {
    case 'diffusers': {
      const { files, notes } = diffusersFolder(denoiser, arrays);
      await writeNewFolder(out, files);
      for (const note of notes) onNote?.(note);
      if (config.latents !== null) onNote?.(latentsNote(config.latents));
      break;
    }
    case 'onnx':
      writeNewFile(out, denoiserOnnx(model, arrays, { metadata: metadataOf(denoiser, weights) }));
      break;
    case 'safetensors':
      writeNewFile(out, formatSafetensors(arrays, { format: 'pt', ...metadataOf(denoiser, weights) }));
  }
  if (config.diffusion.prediction.type === 'edm') onNote?.(edmNote(config.diffusion));
  return { out, format, model: model.kind, weights, checkpoint: checkpoint.path };
}

/** The files of a pipeline folder. */
function diffusersFolder({ model, config, classes, nullClass }: Denoiser, weights: Arrays): PipelineFiles {
  // The loss is a matter of training alone. Fails to compile if the configuration has new fields, which must be exported or
  // rejected.
  const { loss: _, schedule, timesteps, prediction, variance, ...others } = config.diffusion;
  others satisfies Record<string, never>;
  try {
    return pipelineFiles({
      model,
      weights,
      diffusion: { schedule, timesteps, prediction, variance },
      sampler: config.sampler,
      classNames: classNames(config, classes),
      nullClass,
      latents: scalingOf(config),
    });
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    throw new UserError(error.message, { code: error.code, cause: error });
  }
}

function formatOf(out: string): ExportFormat {
  const extension = extname(out).slice(1).toLowerCase();
  return exportFormats.find((format) => format === extension) ?? 'diffusers';
}

/** How to scale the inputs and outputs of the exported network. */
function edmNote(diffusion: Config['diffusion']): string {
  return (
    `the network is F of EDM: give it x_t / sqrt(sigma_t^2 + sd^2 alpha_t^2), with x_t = alpha_t x_0 + sigma_t noise and ` +
    `sd = ${predictionOptions(diffusion).sigmaData ?? 0.5}; x_0 = (sd^2 alpha_t x_t + sd sigma_t sqrt(sigma_t^2 + sd^2 alpha_t^2) F) / ` +
    '(sigma_t^2 + sd^2 alpha_t^2)'
  );
}

/** Weights as of `readWeights`, by name, in PyTorch's layout. */
export function torchWeights({ model, layout, bufferLayout }: Denoiser, { params, buffers }: Arrays): Arrays {
  return toTorch(model, {
    ...viewFlat(params!.data as Float32Array, layout),
    ...(buffers !== undefined && viewFlat(buffers.data as Float32Array, bufferLayout)),
  });
}

/** Metadata that describes the weights, for files that contain only weights. */
export function metadataOf({ model, config, classes }: Denoiser, weights: string): Record<string, string> {
  const names = classNames(config, classes);
  return {
    model: model.kind,
    config: JSON.stringify(model.config),
    diffusion: JSON.stringify(config.diffusion),
    weights,
    ...(config.latents !== null && { latents: JSON.stringify(config.latents) }),
    ...(names !== undefined && { classes: JSON.stringify(names) }),
  };
}

/** Diffusers' pipelines without an autoencoder clip to [-1, 1] and return pictures. */
function latentsNote({ mean, scale }: NonNullable<Config['latents']>): string {
  return (
    'The model generates scaled latents, which the pipeline would clip: call pipe.unet or pipe.transformer, and ' +
    `pipe.scheduler, and compute x / scale + mean, with mean ${JSON.stringify(mean)} and scale ${JSON.stringify(scale)}.`
  );
}

function chosen<T extends string>(flag: string, value: string, known: readonly T[]): T {
  if ((known as readonly string[]).includes(value)) return value as T;
  throw new UserError(`${flag} ${value} is unknown. ${suggestion(value, known)}`, { code: 'OPTION_UNKNOWN' });
}
