import { checkInteger, checkPositive } from '@dm/ops';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { dot, norm, type FlatVector } from './objective.js';
import { normalize } from './hessian-vector-product.js';

export interface LanczosOptions {
  /** Number of matrix-vector products; at most the matrix size. */
  readonly steps: number;
  readonly onProgress?: (done: number, of: number) => void;
}

/** Ritz values and vectors after k steps. */
export interface LanczosRun {
  /** Ritz values, descending. */
  readonly values: Float64Array;
  /**
   * Gauss quadrature weights: squared first components of the eigenvectors of the tridiagonal matrix; they sum to 1.
   */
  readonly weights: Float64Array;
  /**
   * |A y - value y| of each Ritz vector y, from the last off-diagonal element: some eigenvalue is within this distance.
   */
  readonly residuals: Float64Array;
  /** The unit Ritz vector of values[k]. */
  vector(k: number): Float64Array;
}

/**
 * The Lanczos method (1950) for a symmetric matrix given by matrix-vector products, with full reorthogonalization:
 * every new vector is orthogonalized twice against all previous ones (Golub and Van Loan, section 10.3), so that
 * rounding does not produce spurious copies of eigenvalues. A multiple eigenvalue is found once. Vectors of more than
 * 100,000 elements are stored as float32, which takes 4 * steps * n bytes.
 * @throws {RangeError} if steps < 1, or the start vector is zero
 */
export async function lanczos(
  apply: (v: FlatVector) => Promise<FlatVector>,
  start: FlatVector,
  { steps, onProgress }: LanczosOptions,
): Promise<LanczosRun> {
  const size = start.length;
  checkInteger('lanczos: steps', steps, 1);
  checkPositive('lanczos: norm of start', norm(start));
  const basis: FlatVector[] = [];
  const alpha: number[] = [];
  const beta: number[] = [];
  let next: Float64Array = normalize(start);
  let scale = 0;
  for (;;) {
    // Small problems stay in float64, to be tested against exact eigenvalues.
    const current = size > 100_000 ? Float32Array.from(next) : next;
    basis.push(current);
    const product = Float64Array.from(await apply(current));
    alpha.push(dot(current, product));
    for (let pass = 0; pass < 2; pass++) for (const q of basis) remove(product, q);
    const rest = norm(product);
    scale = Math.max(scale, Math.abs(alpha.at(-1)!), rest);
    onProgress?.(alpha.length, Math.min(steps, size));
    beta.push(rest);
    // The Krylov space is invariant: its eigenvalues are exact.
    if (alpha.length === Math.min(steps, size) || rest <= 1e-10 * scale) break;
    next = normalize(product);
  }
  const k = alpha.length;
  const tridiagonal = Matrix.zeros(k, k);
  alpha.forEach((value, i) => tridiagonal.set(i, i, value));
  for (let i = 0; i + 1 < k; i++) {
    tridiagonal.set(i, i + 1, beta[i]!);
    tridiagonal.set(i + 1, i, beta[i]!);
  }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(tridiagonal, { assumeSymmetric: true });
  const order = realEigenvalues.map((_, i) => i).toSorted((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  const each = (value: (column: number) => number) => Float64Array.from(order, value);
  return {
    values: each((column) => realEigenvalues[column]!),
    weights: each((column) => eigenvectorMatrix.get(0, column) ** 2),
    residuals: each((column) => Math.abs(beta.at(-1)! * eigenvectorMatrix.get(k - 1, column))),
    vector(which) {
      const out = new Float64Array(size);
      basis.forEach((q, row) => {
        const c = eigenvectorMatrix.get(row, order[which]!);
        for (let i = 0; i < size; i++) out[i]! += c * q[i]!;
      });
      return normalize(out);
    },
  };
}

/** v <- v - (q.v) q */
function remove(v: Float64Array, q: FlatVector): void {
  const c = dot(q, v);
  for (let i = 0; i < v.length; i++) v[i]! -= c * q[i]!;
}
