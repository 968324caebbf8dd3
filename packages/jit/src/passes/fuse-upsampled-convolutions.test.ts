import { conv2d, type Program, upsampleNearest } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { blockedConvolutions } from '../lower/blocked.js';
import { expectSame, floats, type Fn } from '../testing.js';
import { trace } from '../trace/trace.js';
import { eliminateDeadCode } from './eliminate-dead-code.js';
import { optimize } from './pipeline.js';
import { fuseUpsampledConvolutions } from './fuse-upsampled-convolutions.js';

const inputs = (images: number) => ({
  x: floats([images, 3, 5, 16]),
  w: floats([3, 3, 16, 32], 2),
  b: floats([32], 3),
});

const doubled: Fn = ({ x, w, b }) => conv2d(upsampleNearest(x!), w!, { bias: b! });

/** Convolution and upsampling nodes of the value and all gradients, in order, before and after the pass. */
function ops(fn: Fn, images: number, block = 16): { before: string[]; after: string[] } {
  const program: Program = (_, { x, w, b }) => {
    const loss = (...[x, w, b]: tf.Tensor[]): tf.Scalar => tf.sum(tf.sin(fn({ x: x!, w: w!, b: b! }) as tf.Tensor));
    const { value, grads } = tf.valueAndGrads(loss)([x!, w!, b!]);
    return { outputs: { value, ...Object.fromEntries(grads.map((grad, i) => [`d${i}`, grad])) } };
  };
  const graph = optimize(trace(program, {}, inputs(images)));
  const names = ({ nodes }: typeof graph) => nodes.map(({ op }) => op).filter((op) => /Conv|Upsample/.test(op));
  return {
    before: names(graph),
    after: names(eliminateDeadCode(fuseUpsampledConvolutions(graph, blockedConvolutions(block)))),
  };
}

const plain = ['DmUpsampleNearest', 'DmConv2D', 'DmConv2DGradInput', 'DmConv2DGradFilter', 'DmUpsampleNearestGrad'];

describe('upsampling by 2 followed by a 3x3 convolution', () => {
  it('becomes the gradient of a stride-2 convolution; its gradients become the convolution and its weight gradient', () => {
    const { before, after } = ops(doubled, 16);
    expect(before).toEqual(plain);
    expect(after).toEqual(['DmConv2DGradInput', 'DmConv2DGradFilter', 'DmConv2D']);
  });

  it('keeps the weight gradient if the images do not fill a block', () => {
    expect(ops(doubled, 2).after).toEqual(['DmUpsampleNearest', 'DmConv2DGradInput', 'DmConv2DGradFilter', 'DmConv2D']);
  });

  const others: [string, Fn, number][] = [
    ['without blocked convolutions', doubled, 0],
    ['if the channels do not fill the blocks', doubled, 64],
    ['before a stride', ({ x, w, b }) => conv2d(upsampleNearest(x!), w!, { bias: b!, strides: 2 }), 16],
    ['before other padding', ({ x, w, b }) => conv2d(upsampleNearest(x!), w!, { bias: b!, pad: 0 }), 16],
    ['by another factor', ({ x, w, b }) => conv2d(upsampleNearest(x!, { factor: 3 }), w!, { bias: b! }), 16],
  ];
  it.each(others)('is not changed %s', (_, fn, block) => {
    expect(ops(fn, 16, block).after).toEqual(plain);
  });

  it.each([16, 2])('gives the same values and gradients, %i images', async (images) => {
    await expectSame(doubled, inputs(images), { tolerance: 1e-5 });
  });

  it('gives the same values if other nodes also read the upsampled image', async () => {
    const both: Fn = ({ x, w, b }) => {
      const large = upsampleNearest(x!);
      return [conv2d(large, w!, { bias: b! }), tf.sin(large)];
    };
    await expectSame(both, inputs(16), { tolerance: 1e-5 });
  });
});
