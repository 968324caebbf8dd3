import { normalBatch } from '@dm/core';
import { Matrix } from 'ml-matrix';
import { expect, it } from 'vitest';
import { arrayOf, matrixOf, orthogonalProcrustes, randomOrthogonal } from './align.js';

const rows = (count: number, dimension: number, seed: number): Matrix =>
  matrixOf(normalBatch({ seed, stream: 'probe', indices: Array.from({ length: count }, (_, i) => i) }, [dimension]));

/** Largest absolute value of a - b. */
const distance = (a: Matrix, b: Matrix): number => Matrix.sub(a, b).abs().max();

it('a random orthogonal matrix is orthogonal, and depends on the seed', () => {
  const q = randomOrthogonal(16, 1);
  expect(distance(q.mmul(q.transpose()), Matrix.eye(16))).toBeLessThan(1e-10);
  expect(distance(q, randomOrthogonal(16, 1))).toBe(0);
  expect(distance(q, randomOrthogonal(16, 2))).toBeGreaterThan(0.1);
});

it('finds the rotation between two sets of rows', () => {
  const a = rows(50, 16, 3);
  const q = randomOrthogonal(16, 4);
  expect(distance(orthogonalProcrustes(a, a.mmul(q)), q)).toBeLessThan(1e-10);
});

it('equals scipy.linalg.orthogonal_procrustes for rows that no rotation maps to each other', () => {
  const a = new Matrix([
    [1, 2, 0],
    [0, 1, -1],
    [3, 0, 1],
    [-1, 1, 2],
  ]);
  const b = new Matrix([
    [0, 1, 1],
    [2, 0, 1],
    [1, -1, 3],
    [0, 2, -2],
  ]);
  const expected = new Matrix([
    [0.067414547959, -0.198487848455, 0.97778210903],
    [0.673610297376, 0.7319935072, 0.10215024565],
    [-0.736005737744, 0.651757684598, 0.18305047002],
  ]);
  expect(distance(orthogonalProcrustes(a, b), expected)).toBeLessThan(1e-9);
});

it('arrays and matrices have the same rows', () => {
  const matrix = new Matrix([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  expect(matrixOf(arrayOf(matrix)).to2DArray()).toEqual(matrix.to2DArray());
});
