/** The model classes that diffusers implements as the same function of the same weights. */
export interface DiffusersDenoiser {
  /** Class name, here and in diffusers. */
  readonly className: 'UNet2DModel' | 'DiTTransformer2DModel';
  /** Component name in the pipeline, and name of its folder. */
  readonly component: string;
  /** Pipeline class of exported folders. */
  readonly pipeline: string;
  /** Components of that pipeline that a pixel-space model does not have. */
  readonly absent: readonly string[];
}

export const diffusersDenoisers: readonly DiffusersDenoiser[] = [
  { className: 'UNet2DModel', component: 'unet', pipeline: 'DDPMPipeline', absent: [] },
  {
    className: 'DiTTransformer2DModel',
    component: 'transformer',
    pipeline: 'DiTPipeline',
    absent: ['vae'],
  },
];

/** Names of files in a pipeline folder. */
export const pipelineFile = 'model_index.json';
export const modelConfigFile = 'config.json';
export const schedulerFile = 'scheduler_config.json';
export const weightsFile = 'diffusion_pytorch_model.safetensors';
/** Field of the pipeline's file with the names of the classes by their numbers. */
export const classField = 'id2label';
/**
 * Field of the pipeline's file with what diffusers has no field for: the run's sampler, and the null class. diffusers
 * ignores names that begin with an underscore.
 */
export const ownField = '_dm';
