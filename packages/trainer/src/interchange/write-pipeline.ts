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
  /** Contents by path in the folder. */
  readonly files: Readonly<Record<string, Uint8Array | string>>;
  /** What a person who opens it should know. */
  readonly notes: readonly string[];
}

/** Why diffusers cannot open a model of another class. */
const reasons: Readonly<Record<string, string>> = {
  DiT:
    'diffusers has the DiT of facebookresearch only in a form of its own, whose sinusoids of the timestep have other ' +
    'frequencies, so the same weights would be another function there. Train the model type dit-diffusers to export it',
  UViT: 'diffusers has no U-ViT with this structure',
};

/**
 * The files of a pipeline that Python's `DDPMPipeline.from_pretrained` opens (for diffusers' DiT:
 * `DiTPipeline.from_pretrained(folder, vae=None)`), with the names of the classes as its `id2label`. `weights` by their names, in PyTorch's layout.
 * @throws {UserError} on a model class that diffusers does not have
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
      `${model.kind} cannot be exported to diffusers: ${reasons[model.kind] ?? 'it has no such class'}. ` +
        'The formats onnx and safetensors take every model.',
      { code: 'PIPELINE_UNSUPPORTED' },
    );
  }
  const { className, component, pipeline, absent } = denoiser;
  const scheduler = writeScheduler(diffusion, sampler);
  const index = {
    scheduler: ['diffusers', scheduler.className],
    [component]: ['diffusers', className],
    ...Object.fromEntries(absent.map((name) => [name, [null, null]])),
    // DiTPipeline has the field; DDPMPipeline passes over names that begin with an underscore.
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
      ...absent.map((name) => `a model of pixels has no ${name}: ${pipeline}.from_pretrained(folder, ${name}=None)`),
      ...(pipeline === 'DDPMPipeline' && model.numClasses > 0
        ? ['DDPMPipeline gives no labels when called: call pipe.unet(x, t, class_labels) and pipe.scheduler yourself']
        : []),
    ],
  };
}
