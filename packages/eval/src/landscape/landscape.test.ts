import { readFileSync } from 'node:fs';
import { openEagerEngine, type Engine, flatLayout, float32, splitFlat } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numbers } from '../testing/reference.js';
import { hessianVectorProduct } from './hessian-vector-product.js';
import { interpolate } from './interpolation.js';
import { lanczos } from './lanczos.js';
import { dot, norm, type FlatVector, type Objective } from './objective.js';
import { filterNormalizedDirection, planeSlice } from './plane.js';
import { hessianSpectrum, spectralDensity } from './spectrum.js';

/** What tools/parity/landscape_fixture.py wrote: torch's dense Hessian of the network below, in float64. */
const reference = JSON.parse(readFileSync(new URL('./fixtures/network.json', import.meta.url), 'utf8')) as {
  loss: number;
  gradientNorm: number;
  eigenvalues: number[];
};

const eigenvalues = [100, 30, 10, 3, 1, 0.3, 0.1, 0, -2, -20];

/** x^T A x / 2 with A = R D R, R a reflection: eigenvalues D, no eigenvector along an axis. */
const quadratic: Objective = (() => {
  const axis = Float64Array.from(eigenvalues, (_, i) => i + 1);
  const reflected = (x: FlatVector) => {
    const c = (2 * dot(axis, x)) / dot(axis, axis);
    return Float64Array.from(x, (value, i) => value - c * axis[i]!);
  };
  const gradient = (x: FlatVector) => reflected(reflected(x).map((value, i) => value * eigenvalues[i]!));
  return {
    size: eigenvalues.length,
    loss: (x) => Promise.resolve(dot(x, gradient(x)) / 2),
    gradient: (x) => Promise.resolve(gradient(x)),
  };
})();

describe('of a quadratic', () => {
  const at = Float64Array.from(eigenvalues, (_, i) => Math.sin(i + 1));

  it('the spectrum is that of its matrix', async () => {
    const { largest, smallest, error, trace } = await hessianSpectrum(quadratic, at, { top: 4, steps: 10, probes: 64 });
    expect(largest.map(({ value }) => value)).toEqual([100, 30, 10, 3].map((x) => expect.closeTo(x, 6) as number));
    expect(smallest.map(({ value }) => value)).toEqual([-20, -2, 0, 0.1].map((x) => expect.closeTo(x, 6) as number));
    // Central differences of a linear gradient have no error but rounding.
    expect(error.stepError).toBeLessThan(1e-9);
    expect(error.largest).toBeLessThan(1e-9);
    expect(error.asymmetry).toBeLessThan(1e-9);
    // Within four standard errors of the true trace.
    const exact = eigenvalues.reduce((sum, value) => sum + value, 0);
    expect(Math.abs(trace.value - exact)).toBeLessThan(4 * trace.standardError!);
  });

  it('the eigenvectors of the largest eigenvalues are the reflected axes', async () => {
    const spectrum = await hessianSpectrum(quadratic, at, { top: 3, steps: 10 });
    const axis = Float64Array.from(eigenvalues, (_, i) => i + 1);
    for (let k = 0; k < 3; k++) {
      // Column k of the reflection I - 2 a a^T / a^T a.
      const exact = axis.map((a, i) => (i === k ? 1 : 0) - (2 * a * axis[k]!) / dot(axis, axis));
      const vector = spectrum.eigenvector(k);
      expect(norm(vector)).toBeCloseTo(1, 12);
      expect(Math.abs(dot(vector, exact))).toBeCloseTo(1, 9);
    }
    expect(() => spectrum.eigenvector(3)).toThrowWith({ type: RangeError, contains: ['eigenvector', 'got 3'] });
  });

  it('the density integrates to 1', async () => {
    const { density } = await hessianSpectrum(quadratic, at, { steps: 6, probes: 2 });
    const spacing = density.at[1]! - density.at[0]!;
    const total = density.density.reduce((sum, value) => sum + value * spacing, 0);
    expect(Math.abs(total - 1)).toBeLessThan(1e-8);
    expect(density.density.every((value) => value >= 0)).toBe(true);
  });

  it('the quadrature has the moments v.A^k.v of the start, up to degree 2m - 1', async () => {
    const start = Float64Array.from(eigenvalues, (_, i) => Math.cos(i));
    const run = await lanczos((v) => quadratic.gradient(v), start, { steps: 4 });
    expect(run.weights.reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 12);
    let power: FlatVector = start;
    for (let k = 1; k <= 7; k++) {
      power = await quadratic.gradient(power);
      const exact = dot(start, power) / dot(start, start);
      const moment = run.values.reduce((sum, value, i) => sum + run.weights[i]! * value ** k, 0);
      expect(Math.abs(moment / exact - 1)).toBeLessThan(1e-9);
    }
    // A Ritz vector has the residual that the run says, and norm 1.
    const y = run.vector(0);
    const product = await quadratic.gradient(y);
    const residual = norm(Float64Array.from(product, (value, i) => value - run.values[0]! * y[i]!));
    expect(residual).toBeCloseTo(run.residuals[0]!, 8);
    expect(norm(y)).toBeCloseTo(1, 12);
  });

  it('a line and a plane have the losses of their formula', async () => {
    const b = Float64Array.from(eigenvalues, (_, i) => Math.cos(3 * i));
    const line = await interpolate(quadratic, at, b, { points: 8 });
    const lossAt = (t: number) => line.loss[line.at.indexOf(t)];
    expect([lossAt(0), lossAt(1)]).toEqual([await quadratic.loss(at), await quadratic.loss(b)]);
    expect([line.at[0], line.at.at(-1)]).toEqual([-0.25, 1.25]);
    const half = await interpolate(quadratic, at, b, { from: 0, to: 1, points: 3 });
    const middle = await quadratic.loss(Float64Array.from(at, (value, i) => (value + b[i]!) / 2));
    expect(half.loss[1]).toBeCloseTo(middle, 10);
    expect(half.barrier).toBeCloseTo(Math.max(0, middle - (half.loss[0]! + half.loss[2]!) / 2), 10);
    expect((await interpolate(quadratic, at, b, { from: 0.2, to: 0.8 })).barrier).toBeNull();

    const plane = await planeSlice(quadratic, at, [at, b], { points: 5, range: 2 });
    expect(plane.at).toEqual([-2, -1, 0, 1, 2]);
    expect(plane.loss[2 * 5 + 2]).toBe(await quadratic.loss(at));
    const corner = Float64Array.from(at, (value, i) => value + 2 * value - 2 * b[i]!);
    expect(plane.loss[4]).toBeCloseTo(await quadratic.loss(corner), 8);
  });

  it('what cannot be is refused', async () => {
    await expect(interpolate(quadratic, at, at.subarray(1))).rejects.toThrowWith({
      type: RangeError,
      contains: ['the second end', '9 numbers'],
    });
    await expect(interpolate(quadratic, at, at, { from: 1, to: 0 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['from', 'to, 0', 'got 1'],
    });
    await expect(planeSlice(quadratic, at, [at, at], { points: 4 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['points', 'odd', 'got 4'],
    });
    await expect(hessianSpectrum(quadratic, at, { steps: 0 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['steps', '>= 1', 'got 0'],
    });
    await expect(hessianVectorProduct(quadratic, at, { step: -1 })).rejects.toThrowWith({
      type: RangeError,
      contains: ['step', '> 0', 'got -1'],
    });
    const broken = { ...quadratic, gradient: () => Promise.resolve(new Float64Array(10).fill(NaN)) };
    await expect(hessianSpectrum(broken, at)).rejects.toThrowWith({ code: 'NOT_FINITE' });
    expect(() => spectralDensity([{ values: Float64Array.of(1), weights: Float64Array.of(1) }], 0)).toThrowWith({
      type: RangeError,
      contains: ['width', '(0, 1]', 'got 0'],
    });
  });
});

describe('filterDirection', () => {
  it('has the norm of every filter, and leaves biases alone', () => {
    const layout = flatLayout([
      { name: 'conv', shape: [3, 3, 2, 4], group: 'matrix' },
      { name: 'bias', shape: [4], group: 'vector' },
      { name: 'table', shape: [5, 3], group: 'embedding' },
    ]);
    const params = numbers(layout.size, 1);
    const direction = filterNormalizedDirection(params, layout, 0, 0);
    const filter = (v: FlatVector, f: number) => norm(Float64Array.from({ length: 18 }, (_, k) => v[4 * k + f]!));
    for (let f = 0; f < 4; f++) expect(filter(direction, f)).toBeCloseTo(filter(params, f), 10);
    expect(norm(direction.subarray(72, 76))).toBe(0);
    for (let row = 0; row < 5; row++) {
      const part = (v: FlatVector) => norm(v.slice(76 + 3 * row, 79 + 3 * row));
      expect(part(direction)).toBeCloseTo(part(params), 10);
    }
    expect(filterNormalizedDirection(params, layout, 0, 1)).not.toEqual(direction);
  });
});

describe('of a small network in float32', () => {
  const layout = flatLayout([
    { name: 'w1', shape: [4, 6], group: 'matrix' },
    { name: 'b1', shape: [6], group: 'vector' },
    { name: 'w2', shape: [6, 3], group: 'matrix' },
    { name: 'b2', shape: [3], group: 'vector' },
  ]);
  const params = numbers(layout.size, 1).map((value) => value / 2);
  let engine: Engine;
  let objective: Objective;
  beforeAll(async () => {
    engine = await openEagerEngine('tfjs-cpu');
    const [x, y] = [Float32Array.from(numbers(128, 2)), Float32Array.from(numbers(96, 3))];
    const program = engine.compile((state) => {
      const loss = (flat: tf.Tensor): tf.Scalar => {
        const { w1, b1, w2, b2 } = splitFlat(flat, layout);
        const hidden = tf.tanh(tf.add(tf.matMul(tf.tensor2d(x, [32, 4]), w1!), b1!));
        return tf.mean(tf.squaredDifference(tf.add(tf.matMul(hidden, w2!), b2!), tf.tensor2d(y, [32, 3])));
      };
      const { value, grad } = tf.valueAndGrad(loss)(state['params']!);
      return { outputs: { loss: value, gradient: grad } };
    });
    const run = async (p: FlatVector) => {
      const data = Float32Array.from(p);
      const state = await program.load({ params: float32(data) });
      const outputs = await program.run(state, {});
      state.dispose();
      return outputs;
    };
    objective = {
      size: layout.size,
      loss: async (p) => (await run(p))['loss']!.data[0]!,
      gradient: async (p) => (await run(p))['gradient']!.data as Float32Array,
    };
  });
  afterAll(() => engine.dispose());

  it('loss and gradient are those of torch', async () => {
    expect(await objective.loss(params)).toBeCloseTo(reference.loss, 6);
    expect(norm(await objective.gradient(params))).toBeCloseTo(reference.gradientNorm, 5);
  });

  it("the eigenvalues are those of torch's dense Hessian to 1%, and the error said is true", async () => {
    const spectrum = await hessianSpectrum(objective, params, { top: 5, steps: layout.size });
    const expected = reference.eigenvalues;
    spectrum.largest.forEach(({ value }, k) => expect(Math.abs(value / expected[k]! - 1)).toBeLessThan(0.01));
    const scale = expected[0]!;
    spectrum.smallest.forEach(({ value }, k) => {
      expect(Math.abs(value - expected.at(-1 - k)!)).toBeLessThan(0.01 * scale);
    });
    expect(spectrum.error.stepError).toBeLessThan(0.01);
    expect(spectrum.error.largest).toBeLessThan(0.01);
    expect(spectrum.error.asymmetry).toBeLessThan(0.01);
    expect(spectrum.error.stepError).toBeGreaterThan(0);
  });
});
