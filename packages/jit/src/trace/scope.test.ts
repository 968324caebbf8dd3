import { conv2d, groupNorm, type Program, scope } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { lowerGraph } from '../lower/lower-graph.js';
import { trace } from './trace.js';

const float = (...shape: number[]) => ({ dtype: 'float32', shape }) as const;

const program: Program = ({ w }, { x }) => {
  const loss = (filter: tf.Tensor): tf.Scalar => {
    const h = scope('first', () => tf.relu(conv2d(x!, filter)));
    const normed = scope('second', () => groupNorm(h, tf.ones([4]), tf.zeros([4]), { groups: 2 }));
    return tf.sum(normed);
  };
  const { value, grad } = tf.valueAndGrad(loss)(w!);
  return { state: { w: scope('update', () => tf.sub(w!, grad)) }, outputs: { value } };
};

it('nodes have the scope in which they were recorded; gradients have the scope of their forward kernel', () => {
  const graph = trace(program, { w: float(3, 3, 3, 4) }, { x: float(2, 8, 8, 3) });
  const scopeOf = (op: string) => graph.nodes.filter((node) => node.op === op).map((node) => node.scope);
  expect(scopeOf('DmConv2D')).toEqual(['first']);
  expect(scopeOf('DmConv2DGradFilter')).toEqual(['gradient of first']);
  expect(scopeOf('DmGroupNormGrad')).toEqual(['gradient of second']);
  expect(scopeOf('Sub')).toEqual(['update']);
  expect(graph.nodes.find((node) => node.op === 'Sum')!.scope).toBe('');

  const { nodes } = lowerGraph(graph);
  expect(nodes.find((node) => node.op === 'Conv')!.name).toMatch(/^first\/DmConv2D\/Conv\.\d+$/);
});
