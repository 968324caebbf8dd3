import { loadBatch, type Dataset } from '@dm/data';
import type { BatchSource } from './training-setup.js';

/**
 * Batches of `dataset`, reshuffled every epoch (`loadBatch`). Data of floats is flipped only with `flipFloats`: the flip of
 * an image's latent is not the latent of its flip.
 */
export function batchSource(dataset: Dataset, flipFloats = false): BatchSource {
  const { name, shape, classes, floats } = dataset;
  return {
    name,
    shape,
    classes,
    read: (request) => loadBatch(dataset, floats === undefined ? request : { ...request, flip: flipFloats }),
  };
}
