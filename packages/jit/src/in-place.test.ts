import type { Program } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import './testing.js';
import { lowerGraph } from './compile.js';
import { inPlace } from './in-place.js';
import { optimise } from './passes/index.js';
import { evenPieces } from './passes/vector-pieces.js';
import { trace } from './trace.js';

const vector = { dtype: 'float32', shape: [8] } as const;

/** What of `a`, `b` and `c` may be overwritten, whole and in pieces. */
function found(program: Program): string[] {
  const graph = optimise(trace(program, { a: vector, b: vector, c: vector }, { g: vector }));
  const pieces = evenPieces(graph, 8, 3);
  const whole = [...inPlace(lowerGraph(graph), new Map())];
  expect([...inPlace(lowerGraph(pieces.graph), pieces.stretches)]).toEqual(whole);
  return whole;
}

describe('state that is written where it is read', () => {
  it('is what only its own new value is made of, and what is not read at all', () => {
    const adam: Program = ({ a, b }, { g }) => {
      const next = tf.add(tf.mul(b!, 0.9), g!);
      return { state: { a: tf.sub(a!, tf.mul(a!, next)), b: next, c: g! }, outputs: {} };
    };
    expect(found(adam)).toEqual(['a', 'b', 'c']);
    expect(found(({ a }, { g }) => ({ state: { a: tf.square(tf.sub(a!, g!)) }, outputs: {} }))).toEqual(['a']);
  });

  it('is not what something else reads, that might come later', () => {
    // c is made of the old a and of the new b.
    const program: Program = ({ a, b }, { g }) => {
      const next = tf.add(b!, g!);
      return { state: { a: tf.add(a!, g!), b: next, c: tf.mul(a!, next) }, outputs: {} };
    };
    expect(found(program)).toEqual(['b', 'c']);
  });

  it('is not what changes places', () => {
    expect(found(({ a, b }) => ({ state: { a: b!, b: a! }, outputs: {} }))).toEqual([]);
  });

  it('is not what is read at another place', () => {
    const graph = trace(({ a }) => ({ state: { a: tf.mul(tf.reverse(a!), a!) }, outputs: {} }), { a: vector }, {});
    expect([...inPlace(lowerGraph(optimise(graph)), new Map())]).toEqual([]);
  });
});
