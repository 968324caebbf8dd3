import { loadBatch, type Dataset } from '@dm/data';
import type { BatchSource } from './training-setup.js';

/** Batches of `dataset`, reshuffled every epoch (`loadBatch`). */
export function batchSource(dataset: Dataset): BatchSource {
  const { name, shape, classes } = dataset;
  return { name, shape, classes, read: (request) => loadBatch(dataset, request) };
}
