/**
 * Test cases of the ops and their gradients, for comparing any engine with `tfjs-cpu`, PyTorch, or a formula. Cases are
 * plain data, and their inputs follow from an integer formula that gives the same bits in every language.
 */
import * as tf from '@tensorflow/tfjs-core';
import { float32, type Float32NdArray } from '../arrays.js';
import { attention } from '../attention.js';
import { conv2d } from '../conv2d.js';
import type { Arrays, Program, Tensors } from '../engine.js';
import { gelu } from '../gelu.js';
import { groupNorm } from '../group-norm.js';
import type { Pad2D } from '../kernels.js';
import { layerNorm } from '../layer-norm.js';
import { silu } from '../silu.js';
import { upsampleNearest } from '../upsample.js';

/** One input: `shift + range * u` with u in [-1, 1], see `caseValues`. */
export interface CaseInput {
  readonly shape: readonly number[];
  /** Default 1. */
  readonly range?: number;
  /** Default 0. */
  readonly shift?: number;
}

/** An op and its options that are not tensors. */
export type OpCall =
  | { readonly op: 'groupNorm'; readonly attrs: { readonly groups: number; readonly epsilon: number } }
  | { readonly op: 'layerNorm'; readonly attrs: { readonly epsilon: number } }
  | { readonly op: 'silu'; readonly attrs: Record<string, never> }
  | { readonly op: 'gelu'; readonly attrs: { readonly approximate: 'none' | 'tanh' } }
  | { readonly op: 'conv2d'; readonly attrs: { readonly strides: [number, number]; readonly pad: Pad2D } }
  | { readonly op: 'attention'; readonly attrs: { readonly scale: number } }
  | { readonly op: 'upsampleNearest'; readonly attrs: { readonly factor: number } };

export type OpCase = OpCall & {
  /** Unique. */
  readonly name: string;
  /** The op's tensors by name, in argument order. Tensor k has the seed k + 1. */
  readonly inputs: Readonly<Record<string, CaseInput>>;
  /** Shape of the result and of the upstream gradient `dy`. */
  readonly y: readonly number[];
};

/**
 * Element i for the seed s: shift + range (2 r / 10006 - 1) with r = ((31 + 7 s) i² + 4801 i + 1009 s) mod 10007,
 * computed in float64 and rounded to float32.
 */
export function caseValues({ shape, range = 1, shift = 0 }: CaseInput, seed: number): Float32NdArray {
  const size = shape.reduce((product, d) => product * d, 1);
  const value = (i: number) =>
    shift + range * ((2 * (((31 + 7 * seed) * i * i + 4801 * i + 1009 * seed) % 10007)) / 10006 - 1);
  return float32(
    Float32Array.from({ length: size }, (_, i) => value(i)),
    shape,
  );
}

/** Inputs of `opCaseProgram`: the op's tensors and `dy` (seed 100). */
export function opCaseInputs(opCase: OpCase): Arrays {
  const tensors = Object.entries(opCase.inputs).map(([name, input], k) => [name, caseValues(input, k + 1)] as const);
  return { ...Object.fromEntries(tensors), dy: caseValues({ shape: opCase.y }, 100) };
}

/** A stateless program: `opCaseInputs` → `y` and the gradient of each tensor (`dx`, `dscale`, `dfilter`, ...). */
export function opCaseProgram(opCase: OpCase): Program {
  const names = Object.keys(opCase.inputs);
  return (_state, { dy, ...inputs }) => {
    const op = (...tensors: tf.Tensor[]) =>
      applyOp(opCase, Object.fromEntries(names.map((name, i) => [name, tensors[i]!])));
    const { value, grads } = tf.valueAndGrads(op)(
      names.map((name) => inputs[name]!),
      dy,
    );
    return { outputs: { y: value, ...Object.fromEntries(names.map((name, i) => [`d${name}`, grads[i]!])) } };
  };
}

function applyOp(call: OpCall, inputs: Tensors): tf.Tensor {
  const { x, scale, offset, filter, bias, q, k, v } = inputs;
  switch (call.op) {
    case 'groupNorm':
      return groupNorm(x!, scale!, offset!, call.attrs);
    case 'layerNorm':
      return layerNorm(x!, { ...call.attrs, ...(scale && { scale }), ...(offset && { offset }) });
    case 'silu':
      return silu(x!);
    case 'gelu':
      return gelu(x!, call.attrs);
    case 'conv2d':
      return conv2d(x!, filter!, { ...call.attrs, ...(bias && { bias }) });
    case 'attention':
      return attention(q!, k!, v!, call.attrs);
    default: // 'upsampleNearest'
      return upsampleNearest(x!, call.attrs);
  }
}

const pads = (top: number, bottom: number, left: number, right: number): Pad2D => [
  [top, bottom],
  [left, right],
];

function groupNormCase(name: string, x: CaseInput, groups: number, epsilon: number): OpCase {
  const vector = { shape: [x.shape.at(-1)!] };
  const inputs = { x, scale: { ...vector, shift: 1.5 }, offset: vector };
  return { op: 'groupNorm', name: `group norm, ${name}`, inputs, attrs: { groups, epsilon }, y: x.shape };
}

function layerNormCase(name: string, x: CaseInput, affine: boolean, epsilon: number): OpCase {
  const vector = { shape: [x.shape.at(-1)!] };
  const inputs = affine ? { x, scale: { ...vector, shift: 1.5 }, offset: vector } : { x };
  return { op: 'layerNorm', name: `layer norm, ${name}`, inputs, attrs: { epsilon }, y: x.shape };
}

function siluCase(name: string, x: CaseInput): OpCase {
  return { op: 'silu', name: `SiLU, ${name}`, inputs: { x }, attrs: {}, y: x.shape };
}

function geluCase(name: string, x: CaseInput, approximate: 'none' | 'tanh'): OpCase {
  const form = approximate === 'tanh' ? 'GELU by tanh' : 'GELU';
  return { op: 'gelu', name: `${form}, ${name}`, inputs: { x }, attrs: { approximate }, y: x.shape };
}

function convCase(
  name: string,
  x: [number, number, number, number],
  filter: [number, number, number, number],
  strides: [number, number],
  pad: Pad2D,
  bias: boolean,
): OpCase {
  const out = (i: 0 | 1) => Math.floor((x[i + 1]! + pad[i][0] + pad[i][1] - filter[i]) / strides[i]) + 1;
  const inputs = {
    x: { shape: x },
    filter: { shape: filter, range: 0.5 },
    ...(bias && { bias: { shape: [filter[3]] } }),
  };
  return {
    op: 'conv2d',
    name: `conv2d, ${name}`,
    inputs,
    attrs: { strides, pad },
    y: [x[0], out(0), out(1), filter[3]],
  };
}

function attentionCase(name: string, q: number[], keys: number, range: number, scale: number): OpCase {
  const [batch, heads, , d] = q as [number, number, number, number];
  const kv = [batch, heads, keys, d];
  const inputs = { q: { shape: q, range }, k: { shape: kv, range }, v: { shape: kv } };
  return { op: 'attention', name: `attention, ${name}`, inputs, attrs: { scale }, y: q };
}

function upsampleCase(x: [number, number, number, number], factor: number): OpCase {
  const [n, h, w, c] = x;
  const y = [n, h * factor, w * factor, c];
  return { op: 'upsampleNearest', name: `upsample by ${factor}`, inputs: { x: { shape: x } }, attrs: { factor }, y };
}

export const opCases: readonly OpCase[] = [
  groupNormCase('4 groups of 2 channels', { shape: [2, 4, 4, 8] }, 4, 1e-5),
  groupNormCase('one group', { shape: [2, 3, 5, 6] }, 1, 1e-6),
  groupNormCase('a channel a group', { shape: [3, 3, 2, 4] }, 4, 1e-5),
  groupNormCase('one spatial axis', { shape: [2, 7, 6] }, 3, 1e-5),
  groupNormCase('no spatial axis', { shape: [4, 12] }, 3, 1e-5),
  groupNormCase('a mean of ten deviations', { shape: [2, 4, 4, 8], shift: 6 }, 2, 1e-5),
  layerNormCase('scale and offset', { shape: [2, 5, 8] }, true, 1e-5),
  layerNormCase('plain', { shape: [2, 5, 8] }, false, 1e-6),
  layerNormCase('matrix', { shape: [6, 16], range: 3, shift: -2 }, true, 1e-6),
  layerNormCase('one vector', { shape: [16] }, true, 1e-5),
  siluCase('images', { shape: [2, 3, 4, 5], range: 3 }),
  siluCase('far from zero', { shape: [64], range: 60 }),
  geluCase('tokens', { shape: [2, 5, 8], range: 3 }, 'none'),
  geluCase('tokens', { shape: [2, 5, 8], range: 3 }, 'tanh'),
  geluCase('images', { shape: [2, 3, 4, 5], range: 3 }, 'none'),
  geluCase('images', { shape: [2, 3, 4, 5], range: 3 }, 'tanh'),
  geluCase('far from zero', { shape: [64], range: 60 }, 'none'),
  geluCase('far from zero', { shape: [64], range: 60 }, 'tanh'),
  convCase('3 × 3, same, bias', [2, 5, 6, 3], [3, 3, 3, 4], [1, 1], pads(1, 1, 1, 1), true),
  convCase('3 × 3, same, one image', [1, 4, 4, 5], [3, 3, 5, 2], [1, 1], pads(1, 1, 1, 1), false),
  convCase('1 × 1', [2, 4, 3, 5], [1, 1, 5, 3], [1, 1], pads(0, 0, 0, 0), true),
  convCase('3 × 3, valid', [2, 5, 6, 2], [3, 3, 2, 3], [1, 1], pads(0, 0, 0, 0), false),
  convCase('5 × 3', [1, 6, 7, 2], [5, 3, 2, 2], [1, 1], pads(2, 2, 1, 1), true),
  convCase('3 × 3, stride 2, even size', [2, 6, 8, 2], [3, 3, 2, 3], [2, 2], pads(1, 1, 1, 1), true),
  convCase('3 × 3, stride 2, odd size', [2, 5, 7, 2], [3, 3, 2, 3], [2, 2], pads(1, 1, 1, 1), false),
  convCase('3 × 3, stride 2, padded below and right', [2, 6, 6, 2], [3, 3, 2, 3], [2, 2], pads(0, 1, 0, 1), true),
  convCase('2 × 2 patches', [2, 6, 4, 3], [2, 2, 3, 5], [2, 2], pads(0, 0, 0, 0), true),
  convCase('strides 1 and 2', [1, 5, 6, 2], [3, 3, 2, 2], [1, 2], pads(1, 1, 1, 1), false),
  convCase('padded by more than the filter', [1, 4, 5, 2], [2, 2, 2, 3], [1, 1], pads(3, 0, 2, 2), false),
  convCase('a remainder that no stride reaches', [1, 8, 8, 2], [3, 3, 2, 2], [3, 3], pads(0, 0, 0, 0), true),
  attentionCase('self', [2, 2, 5, 4], 5, 1, 0.5),
  attentionCase('more keys than queries', [1, 3, 4, 8], 7, 1, 0.35),
  attentionCase('one key', [2, 1, 3, 4], 1, 1, 0.5),
  attentionCase('sharp', [1, 2, 6, 4], 6, 6, 0.5),
  upsampleCase([2, 3, 4, 3], 2),
  upsampleCase([1, 2, 3, 2], 3),
  upsampleCase([2, 3, 2, 2], 1),
];
