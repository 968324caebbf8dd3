import { expect, it } from 'vitest';
import { attentionKernels } from './lower/attention.js';
import { conv2dKernels } from './lower/conv2d.js';
import { creationKernels } from './lower/creation.js';
import { depthwiseKernels } from './lower/depthwise.js';
import { elementwiseKernels } from './lower/elementwise.js';
import { geluKernels } from './lower/gelu.js';
import { groupNormKernels } from './lower/group-norm.js';
import { kernels } from './lower/index.js';
import { indexingKernels } from './lower/indexing.js';
import { layerNormKernels } from './lower/layer-norm.js';
import { matmulKernels } from './lower/matmul.js';
import { movementKernels } from './lower/movement.js';
import { poolKernels } from './lower/pool.js';
import { optimizationBarrierKernels } from './lower/optimization-barrier.js';
import { reduceKernels } from './lower/reduce.js';
import { siluKernels } from './lower/silu.js';
import { upsampleKernels } from './lower/upsample.js';
import { kernelNames } from './trace/recorder.js';

const families = {
  'element-wise': elementwiseKernels,
  reductions: reduceKernels,
  shapes: movementKernels,
  indexing: indexingKernels,
  constants: creationKernels,
  'matrix products': matmulKernels,
  convolutions: conv2dKernels,
  'depthwise convolutions, without gradient': depthwiseKernels,
  pooling: poolKernels,
  'group norm': groupNormKernels,
  'layer norm': layerNormKernels,
  SiLU: siluKernels,
  GELU: geluKernels,
  attention: attentionKernels,
  'nearest upsampling': upsampleKernels,
  recomputation: optimizationBarrierKernels,
};

/** `vitest run -u` in this package regenerates FEATURES.md. */
it('FEATURES.md lists every kernel, compiled or not', async () => {
  const listed = Object.values(families).flatMap((family) => Object.keys(family));
  expect(listed.toSorted()).toEqual(Object.keys(kernels).toSorted());
  const list = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(' ');
  const missing = kernelNames().filter((name) => !(name in kernels));
  const table = [
    '# What @dm/jit compiles',
    '',
    'Kernels of TensorFlow.js 4.22 and of @dm/ops, by name. A program that calls another kernel fails with an error that',
    'names the kernel and the line. Generated from the code (`vitest run -u` in this package).',
    '',
    '| family | kernels with a lowering |',
    '| --- | --- |',
    ...Object.entries(families).map(([name, family]) => `| ${name} | ${list(Object.keys(family))} |`),
    '',
    `Without a lowering (${missing.length}): ${list(missing)}`,
    '',
  ].join('\n');
  await expect(table).toMatchFileSnapshot('../FEATURES.md');
});
