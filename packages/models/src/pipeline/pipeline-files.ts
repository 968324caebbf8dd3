/** The files of a pipeline folder of diffusers, to write. */
import type { Arrays } from '@dm/ops';
import { diffusersJson } from '../diffusers-json.js';
import type { Model } from '../model.js';
import { formatSafetensors } from '../safetensors/format.js';
import {
  classField,
  diffusersDenoisers,
  modelConfigFile,
  ownField,
  pipelineFile,
  schedulerFile,
  weightsFile,
} from './components.js';
import type { DiffusionConfig, LatentScaling, SamplingConfig } from './diffusion-config.js';
import { PipelineError } from './pipeline-error.js';
import { writeScheduler } from './scheduler-config.js';

export interface PipelineFiles {
  /** File contents by path in the folder. */
  readonly files: Readonly<Record<string, Uint8Array | string>>;
  /** Messages for users of the pipeline. */
  readonly notes: readonly string[];
}

/** Why a model class cannot be exported to diffusers. */
const reasons: Readonly<Record<string, string>> = {
  DiT:
    'diffusers has only its own variant of the DiT of facebookresearch, with other frequencies in the timestep embedding, ' +
    'so the same weights would give other outputs. Train the model type dit-diffusers instead',
  SongUNet: 'diffusers has no SongUNet of NVlabs/edm',
  EDM2UNet: 'diffusers has no network of NVlabs/edm2',
  UViT: 'diffusers has no U-ViT with this architecture',
};

/** A trained model, and how it was trained and is sampled. */
export interface PipelineContent {
  readonly model: Model;
  /** By name, in PyTorch's layout. */
  readonly weights: Arrays;
  readonly diffusion: DiffusionConfig;
  readonly sampler: SamplingConfig;
  /** Names of the classes, which become the pipeline's `id2label`. */
  readonly classNames?: readonly string[] | undefined;
  /** Index of the null class, if the model has one. */
  readonly nullClass?: number | undefined;
  /** Of a model on latents: x of the data is (x - mean) * scale in training, per channel. */
  readonly latents?: LatentScaling | undefined;
}

/**
 * The files of a pipeline that Python's `DDPMPipeline.from_pretrained` opens (for diffusers' DiT:
 * `DiTPipeline.from_pretrained(folder, vae=None)`). model_index.json also has the sampler, the null class, and
 * the scale of latents, for `fromPretrained`, in a field that diffusers ignores.
 *
 * @throws {PipelineError} if diffusers does not have the model class, or a scheduler for the noise schedule and the
 *   prediction
 */
export function pipelineFiles({
  model,
  weights,
  diffusion,
  sampler,
  classNames,
  nullClass,
  latents,
}: PipelineContent): PipelineFiles {
  const denoiser = diffusersDenoisers.find(({ className }) => className === model.kind);
  if (denoiser === undefined) {
    throw new PipelineError(
      `${model.kind} cannot be exported to diffusers: ${reasons[model.kind] ?? 'diffusers does not have this class'}. ` +
        'The formats onnx and safetensors support every model.',
    );
  }
  const { className, component, pipeline, absent } = denoiser;
  const scheduler = writeScheduler(diffusion, sampler);
  const index = {
    scheduler: ['diffusers', scheduler.className],
    [component]: ['diffusers', className],
    ...Object.fromEntries(absent.map((name) => [name, [null, null]])),
    // DiTPipeline has this field; DDPMPipeline ignores names that begin with an underscore.
    ...(classNames !== undefined && {
      [pipeline === 'DiTPipeline' ? classField : `_${classField}`]: Object.fromEntries(classNames.entries()),
    }),
    [ownField]: sorted({ sampler, ...(nullClass !== undefined && { nullClass }), ...(latents && { latents }) }),
  };
  return {
    files: {
      [pipelineFile]: diffusersJson(pipeline, index),
      [`${component}/${modelConfigFile}`]: diffusersJson(className, model.config as object),
      [`${component}/${weightsFile}`]: formatSafetensors(weights, { format: 'pt' }),
      [`scheduler/${schedulerFile}`]: diffusersJson(scheduler.className, scheduler.fields),
    },
    notes: [
      ...scheduler.notes,
      ...absent.map(
        (name) =>
          `the model works on pixels, without ${name}; load it with ${pipeline}.from_pretrained(folder, ${name}=None)`,
      ),
      ...(pipeline === 'DDPMPipeline' && model.numClasses > 0
        ? ['DDPMPipeline does not pass class labels: call pipe.unet(x, t, class_labels) and pipe.scheduler directly']
        : []),
    ],
  };
}

/** Plain data with sorted keys, so that equal values give equal files. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
