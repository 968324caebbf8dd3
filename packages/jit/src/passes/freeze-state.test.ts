import { conv2d, flatLayout, float32, type Program, splitFlat } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { EngineError } from '../errors.js';
import type { ConstData, Graph } from '../graph/graph.js';
import { floats } from '../testing.js';
import { trace } from '../trace/trace.js';
import { freezeState } from './freeze-state.js';

const layout = flatLayout([
  { name: 'filter', shape: [3, 3, 2, 4], group: 'matrix' },
  { name: 'b', shape: [4], group: 'vector' },
]);
const state = { params: floats([layout.size], 1), shift: floats([2, 4], 2), unused: floats([3], 3) };
const program: Program = ({ params, shift }, { x }) => {
  const { filter, b } = splitFlat(params!, layout);
  const [first] = tf.split(shift!, 2, 0);
  return { outputs: { y: tf.add(tf.add(conv2d(x!, filter!), b!), first!), shift: shift! } };
};
const inputs = { x: floats([1, 3, 3, 2]) };

const constants = ({ nodes }: Graph) => nodes.filter(({ op }) => op === 'Const');
const without = ({ nodes }: Graph, op: string) => nodes.filter((node) => node.op !== op).map((node) => node.op);

it('replaces the state by constants that share its memory, each weight one of them', () => {
  const traced = trace(program, state, inputs);
  const frozen = freezeState(traced, state);
  expect(traced.inputs.map(({ port }) => port.name)).toEqual(['params', 'shift', 'unused', 'x']);
  expect(frozen.inputs.map(({ port }) => port.name)).toEqual(['x']);
  expect(frozen.nodes.some(({ attrs }) => attrs['data'] === state.unused.data)).toBe(false);
  // Rows of a matrix are left to the runtime.
  expect(without(frozen, 'Const').filter((op) => op === 'SplitV')).toHaveLength(1);
  const weights = constants(frozen).filter(
    ({ attrs }) => (attrs['data'] as ConstData | undefined)?.buffer === state.params.data.buffer,
  );
  const found = weights.map(({ outputs, attrs }) => [outputs[0]!.shape, [...(attrs['data'] as ConstData)]]);
  const all = [...state.params.data];
  expect(found).toContainEqual([[3, 3, 2, 4], all.slice(0, 72)]);
  expect(found).toContainEqual([[4], all.slice(72)]);
});

it('refuses a state that is larger than a model can be', () => {
  const size = 2 ** 29;
  const large = { dtype: 'float32', shape: [size] } as const;
  const traced = trace(({ w }) => ({ outputs: { y: tf.sum(w!) } }), { w: large }, {}, 'sum');
  const data = { byteLength: 4 * size } as Float32Array;
  expect(() => freezeState(traced, { w: { ...large, data } })).toThrowWith({
    type: EngineError,
    code: 'RUNTIME_FAILED',
    contains: ['sum', '2048 MiB', 'frozenState'],
  });
  const fits = trace(({ w }) => ({ outputs: { y: tf.sum(w!) } }), { w: { ...large, shape: [2] } }, {});
  expect(constants(freezeState(fits, { w: float32([1, 2]) }))).toHaveLength(1);
});
