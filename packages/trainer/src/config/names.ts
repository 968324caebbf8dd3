/**
 * Names that a configuration may use for things that only Node can open: engines, devices, feature extractors, data sets.
 * They are listed separately from their implementations so that the schema loads in a browser; a test compares them with
 * the lists in the packages that implement them.
 */

/** Engines; the first is the default. */
export const engineNames = ['onnx', 'tfjs-node-gpu', 'tfjs-node', 'tfjs-wasm', 'tfjs-webgpu', 'tfjs-cpu'] as const;

export type EngineName = (typeof engineNames)[number];

/** Devices of the engine `onnx`; the same as in @dm/jit. */
export const deviceNames = ['cpu', 'webgpu', 'cuda'] as const;

/** A card of the device `cuda` by its index, from `cuda:0` to `cuda:9999`. */
export const cardPattern = /^cuda:(0|[1-9]\d{0,3})$/;

/** A device of the engine `onnx`, or one of several cards. */
export type DeviceName = (typeof deviceNames)[number] | `cuda:${number}`;

/** Precisions of products and convolutions, as @dm/ops has them; the first is the default. */
export const precisionNames = ['f32', 'f16', 'bf16', 'f16-emulated', 'bf16-emulated'] as const;

/** Feature extractors; the first is the default. */
export const extractorNames = ['mobilenet', 'inception', 'classifier', 'random', 'pixels'] as const;

export type ExtractorName = (typeof extractorNames)[number];

/** Extractors that resize images, by one of these methods. */
export const resizingExtractors = ['mobilenet', 'inception', 'random'] as const;

/** How an extractor resizes images, as @dm/eval has them. */
export const resizeMethodNames = ['antialiased', 'bilinear', 'libvips'] as const;

/** How image files are resized, as @dm/data has them; the first is the default. */
export const imageResizeNames = ['bicubic', 'lanczos3', 'libvips'] as const;

/** Metrics during training; lower is better. The first one that a configuration lists selects the best checkpoint. */
export const trainingMetrics = ['fid', 'kid'] as const;

/** Forms of a data set's name that @dm/data opens. */
export const datasetForms = [
  'mnist',
  'cifar10',
  'emoji',
  'cifar10:<folder>',
  'cifar100:<folder>',
  'fashion-mnist:<folder>',
  'idx:<file of images>',
  'folder:<folder of images>',
  'shard:<file>',
  '<file>.shard',
  '<file>.zip',
  '<file>.npz',
  '<file>.npy',
] as const;
