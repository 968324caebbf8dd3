import * as tf from '@tensorflow/tfjs-core';
import type { Program } from '@dm/ops';
import { describe, expect, it } from 'vitest';
import { blockedConvolutions } from '../lower/blocked.js';
import { sharedUpdates } from '../update/shared-updates.js';
import { printGraph } from '../inspect/dump.js';
import type { Graph } from '../graph/graph.js';
import { trace } from '../trace/trace.js';
import '../testing.js';
import { simplifyAlgebra } from './simplify-algebra.js';
import { constantFold } from './constant-fold.js';
import { eliminateDeadCode } from './eliminate-dead-code.js';
import { commonSubexpressions } from './common-subexpressions.js';
import { optimize, passesFor, type Target } from './pipeline.js';
import { simplifyReshapes } from './simplify-reshapes.js';

const x = { x: { dtype: 'float32', shape: [2, 3] } } as const;
const traced = (program: Program): Graph => trace(program, {}, x);
const ops = (graph: Graph): string[] => graph.nodes.map((node) => node.op);

it('a graph is printed as one node per line', () => {
  const graph = traced((_, { x }) => ({ outputs: { y: tf.sum(tf.add(x!, 1), 0) } }));
  expect(printGraph(graph)).toBe(
    [
      '%0: input "in.x" -> float32 [2, 3]',
      '%1: Const() -> float32 [] {splat=1}',
      '%2: Add(a %0, b %1) -> float32 [2, 3]',
      '%3: Sum(x %2) -> float32 [3] {axis=0, keepDims=false}',
      'output "out.y": %3',
    ].join('\n'),
  );
});

it('dead code: nodes that no output needs are dropped', () => {
  const graph = traced((_, { x }) => {
    tf.exp(x!);
    return { outputs: { y: tf.neg(x!) } };
  });
  expect(ops(graph)).toEqual(['Exp', 'Neg']);
  expect(ops(eliminateDeadCode(graph))).toEqual(['Neg']);
});

it('common subexpressions: equal calls are merged, calls with other attributes are not', () => {
  const graph = traced((_, { x }) => ({
    outputs: { y: tf.add(tf.exp(x!), tf.exp(x!)), a: tf.sum(x!, 0), b: tf.sum(x!, 1), c: tf.sum(x!, 0) },
  }));
  const after = commonSubexpressions(graph);
  expect(ops(graph)).toEqual(['Exp', 'Exp', 'Add', 'Sum', 'Sum', 'Sum']);
  expect(ops(after)).toEqual(['Exp', 'Add', 'Sum', 'Sum']);
  expect(after.outputs[1]!.value).toBe(after.outputs[3]!.value);
});

it('common subexpressions: different constants and attributes with the same JSON are not merged', () => {
  const graph = traced((_, { x }) => ({
    outputs: {
      up: tf.add(x!, tf.scalar(Infinity)),
      down: tf.add(x!, tf.scalar(-Infinity)),
      nan: tf.add(x!, tf.scalar(NaN)),
      zero: tf.div(x!, tf.scalar(0)),
      minus: tf.div(x!, tf.scalar(-0)),
      table: tf.add(x!, tf.tensor([NaN, 1, 2])),
      other: tf.add(x!, tf.tensor([Infinity, 1, 2])),
      padUp: tf.pad(
        x!,
        [
          [0, 1],
          [0, 0],
        ],
        Infinity,
      ),
      padDown: tf.pad(
        x!,
        [
          [0, 1],
          [0, 0],
        ],
        -Infinity,
      ),
    },
  }));
  expect(ops(commonSubexpressions(graph))).toEqual(ops(graph));
});

it('reshapes: identities and chains are removed', () => {
  const graph = traced((_, { x }) => ({
    outputs: {
      y: tf.reshape(tf.expandDims(tf.reshape(x!, [6]), 0), [3, 2]),
      z: tf.reshape(tf.reshape(x!, [6]), [2, 3]),
    },
  }));
  const after = eliminateDeadCode(simplifyReshapes(graph));
  expect(ops(after)).toEqual(['Reshape']);
  expect(after.outputs[1]!.value).toBe(after.inputs[0]!.value);
});

it('constant folding: arithmetic on repeated-number constants is computed in float32', () => {
  const graph = traced((_, { x }) => ({
    outputs: { y: tf.mul(x!, tf.div(tf.onesLike(x!), tf.mul(tf.onesLike(x!), 3))), n: tf.sqrt(tf.scalar(2)) },
  }));
  const after = eliminateDeadCode(constantFold(graph));
  expect(ops(after)).toEqual(['Const', 'Multiply', 'Const']);
  expect(after.nodes.map((node) => node.attrs['splat'])).toEqual([
    Math.fround(1 / 3),
    undefined,
    Math.fround(Math.SQRT2),
  ]);
});

it('algebraic simplification: removes neutral elements and double negations, keeps products with 0', () => {
  const graph = traced((_, { x }) => ({
    outputs: {
      y: tf.neg(tf.neg(tf.div(tf.mul(tf.add(x!, 0), 1), 1))),
      z: tf.mul(x!, 0),
      w: tf.add(tf.scalar(0), tf.zeros([2, 3])),
    },
  }));
  const after = eliminateDeadCode(simplifyAlgebra(constantFold(graph)));
  expect(after.outputs[0]!.value).toBe(after.inputs[0]!.value);
  expect(ops(after).filter((op) => op !== 'Const')).toEqual(['Multiply']);
});

it('the pipeline depends on the target', () => {
  const names = (target: Target) => passesFor(target).map(({ name }) => name);
  const forAll = [
    'eliminateDeadCode',
    'constantFold',
    'simplifyReshapes',
    'simplifyAlgebra',
    'commonSubexpressions',
    'eliminateDeadCode',
  ];
  const last = ['scheduleWeightGradientsFirst', 'chunkVectors', 'sumsOfSquaresAsMatmul', 'eliminateDeadCode'];
  expect(names({ kind: 'file' })).toEqual(forAll);
  expect(names({ kind: 'gpu' })).toEqual([...forAll, 'sumsInTwoStages']);
  expect(names({ kind: 'cpu' })).toEqual([...forAll, ...last]);
  const fused = ['fuseUpsampledConvolutions', 'eliminateDeadCode'];
  const blocked = blockedConvolutions(8);
  expect(names({ kind: 'cpu', blocked, updates: sharedUpdates })).toEqual([
    ...forAll,
    ...fused,
    'splitUpdate',
    ...last,
  ]);
});

describe('all passes together', () => {
  it('reduce a gradient tape to the necessary nodes', () => {
    const graph = traced((_, { x }) => ({ outputs: { dx: tf.grad((v) => tf.mean(tf.square(v)))(x!) } }));
    const after = optimize(graph);
    expect(ops(after).filter((op) => op !== 'Const')).toEqual(['Multiply', 'Multiply']);
    expect(graph.nodes.length).toBeGreaterThan(after.nodes.length);
  });
});
