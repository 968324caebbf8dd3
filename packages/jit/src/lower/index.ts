import { attentionKernels } from './attention.js';
import { conv2dKernels } from './conv2d.js';
import { creationKernels } from './creation.js';
import { depthwiseKernels } from './depthwise.js';
import { elementwiseKernels } from './elementwise.js';
import { geluKernels } from './gelu.js';
import { groupNormKernels } from './group-norm.js';
import { indexingKernels } from './indexing.js';
import { layerNormKernels } from './layer-norm.js';
import type { Kernel } from './context.js';
import { matmulKernels } from './matmul.js';
import { movementKernels } from './movement.js';
import { poolKernels } from './pool.js';
import { optimizationBarrierKernels } from './optimization-barrier.js';
import { reduceKernels } from './reduce.js';
import { siluKernels } from './silu.js';
import { upsampleKernels } from './upsample.js';

/** Kernels that `autocast` of @dm/ops applies to. */
export const productKernels: ReadonlySet<string> = new Set(
  [attentionKernels, conv2dKernels, depthwiseKernels, matmulKernels].flatMap((family) => Object.keys(family)),
);

/** All supported TF.js kernels, by name. To add a family of kernels, add a file and a line here. */
export const kernels: Readonly<Record<string, Kernel>> = {
  ...attentionKernels,
  ...conv2dKernels,
  ...creationKernels,
  ...depthwiseKernels,
  ...elementwiseKernels,
  ...geluKernels,
  ...groupNormKernels,
  ...indexingKernels,
  ...layerNormKernels,
  ...matmulKernels,
  ...movementKernels,
  ...poolKernels,
  ...optimizationBarrierKernels,
  ...reduceKernels,
  ...siluKernels,
  ...upsampleKernels,
};
