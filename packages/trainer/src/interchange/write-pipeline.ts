import { diffusersJson, formatSafetensors, type Model } from '@dm/models';
import type { Arrays } from '@dm/ops';
import type { Config } from '../config/schema.js';
import {
  classField,
  diffusersDenoisers,
  modelConfigFile,
  pipelineFile,
  schedulerFile,
  weightsFile,
} from './denoiser-config.js';
import { writeScheduler } from './scheduler-config.js';
import { UserError } from '../errors.js';

export interface DiffusersFolder {
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
  UViT: 'diffusers has no U-ViT with this architecture',
};

/**
 * The files of a pipeline that Python's `DDPMPipeline.from_pretrained` opens (for diffusers' DiT:
 * `DiTPipeline.from_pretrained(folder, vae=None)`). `weights` are keyed by name, in PyTorch's layout; `classNames` become
 * the pipeline's `id2label`.
 *
 * @throws {UserError} if diffusers does not have the model class
 */
export function diffusersFolder(
  model: Model,
  { diffusion, sampler }: Pick<Config, 'diffusion' | 'sampler'>,
  weights: Arrays,
  classNames?: readonly string[],
): DiffusersFolder {
  const denoiser = diffusersDenoisers.find(({ className }) => className === model.kind);
  if (denoiser === undefined) {
    throw new UserError(
      `${model.kind} cannot be exported to diffusers: ${reasons[model.kind] ?? 'diffusers does not have this class'}. ` +
        'The formats onnx and safetensors support every model.',
      { code: 'PIPELINE_UNSUPPORTED' },
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
