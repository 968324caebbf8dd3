/** Batches of one size, since an engine would compile another size again. */
import { type Arrays, float32, type NdArray } from '@dm/ops';

export interface PaddedBatch {
  /** Index of the first row. */
  readonly first: number;
  /** Number of rows of this batch; the others are padding. */
  readonly length: number;
  /** Indices of the rows, padded by repeating the last one. */
  readonly indices: readonly number[];
}

/** Batches of `count` rows, each of `size` or, if there are fewer, `count` rows with padding. */
export function* paddedBatches(count: number, size: number): Generator<PaddedBatch> {
  const rows = Math.min(size, count);
  for (let first = 0; first < count; first += rows) {
    const indices = Array.from({ length: rows }, (_, i) => Math.min(first + i, count - 1));
    yield { first, length: Math.min(rows, count - first), indices };
  }
}

/** The rows at `indices` of float32 arrays [N, ...]. */
export function rowsOf(arrays: Arrays, indices: readonly number[]): Arrays {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { shape, data }]): [string, NdArray] => {
      const width = data.length / shape[0]!;
      const rows = new Float32Array(indices.length * width);
      indices.forEach((index, n) =>
        rows.set((data as Float32Array).subarray(index * width, (index + 1) * width), n * width),
      );
      return [name, float32(rows, [indices.length, ...shape.slice(1)])];
    }),
  );
}
