/** Similarity of two networks' images from the same noise, for images whose labels are the same. */
import { bootstrapMean, type Estimate } from '@dm/eval';

/** Images as rows of numbers. */
export interface Rows {
  /** [N, dimension] */
  readonly values: Float32Array;
  readonly dimension: number;
}

/** Rows minus the mean of the rows with the same label: the label alone explains none of what remains. */
export function withoutLabelMeans({ values, dimension }: Rows, labels: ArrayLike<number>): Rows {
  const totals = new Map<number, { sum: Float64Array; count: number }>();
  for (let i = 0; i < labels.length; i++) {
    const total = totals.get(labels[i]!) ?? { sum: new Float64Array(dimension), count: 0 };
    for (let j = 0; j < dimension; j++) total.sum[j]! += values[i * dimension + j]!;
    total.count++;
    totals.set(labels[i]!, total);
  }
  return {
    values: values.map((value, k) => {
      const { sum, count } = totals.get(labels[Math.floor(k / dimension)]!)!;
      return value - sum[k % dimension]! / count;
    }),
    dimension,
  };
}

/** Rows minus their projections onto the span of the rows of `controls`, by Gram-Schmidt. */
export function withoutProjections(rows: Rows, controls: readonly Rows[]): Rows {
  const basis: Rows[] = [];
  for (const control of controls) basis.push(basis.reduce(withoutProjection, control));
  return basis.reduce(withoutProjection, rows);
}

/** Rows minus their projections onto the rows of `onto`: r = x - (x · g / g · g) g. */
function withoutProjection({ values, dimension }: Rows, { values: onto }: Rows): Rows {
  const rest = Float32Array.from(values);
  for (let n = 0; n < rest.length; n += dimension) {
    const factor = product(rest, n, onto, n, dimension) / product(onto, n, onto, n, dimension);
    for (let i = n; i < n + dimension; i++) rest[i]! -= factor * onto[i]!;
  }
  return { values: rest, dimension };
}

/** What the images of one noise have in common, for each noise: [N]. */
export interface Similarity {
  /** Cosine of the two networks' images from the same noise. */
  readonly same: Float64Array;
  /** 1 if the other network's image from the same noise is the nearest of those with the same label, otherwise 0. */
  readonly found: Float64Array;
}

/** Compares two networks' images. Each label must occur at least twice. */
export function similarity(a: Rows, b: Rows, labels: ArrayLike<number>): Similarity {
  const { dimension } = a;
  const count = labels.length;
  const norms = [a, b].map(({ values }) =>
    Float64Array.from({ length: count }, (_, i) =>
      Math.sqrt(product(values, i * dimension, values, i * dimension, dimension)),
    ),
  );
  const cosine = (i: number, j: number) =>
    product(a.values, i * dimension, b.values, j * dimension, dimension) / (norms[0]![i]! * norms[1]![j]!);
  const found = new Float64Array(count);
  const same = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    same[i] = cosine(i, i);
    const others = Array.from(labels, (label, j) => (label === labels[i] && j !== i ? [cosine(i, j)] : [])).flat();
    found[i] = others.every((value) => value < same[i]!) ? 1 : 0;
  }
  return { same, found };
}

/** Mean over the noises with a 95% interval, and the range of the pairs' means. */
export interface Summary {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly least: number;
  readonly most: number;
}

/** `pairs` has one array [N] per pair of networks. The interval is over noises, for these networks. */
export function summary(pairs: readonly Float64Array[]): Summary {
  const perNoise = pairs[0]!.map((_, i) => mean(pairs.map((pair) => pair[i]!)));
  const estimate: Estimate = bootstrapMean(perNoise, { seed: 0, resamples: 2000, confidence: 0.95 });
  const means = pairs.map((pair) => mean(pair));
  return { ...estimate, least: Math.min(...means), most: Math.max(...means) };
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

function product(a: Float32Array, from: number, b: Float32Array, start: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[from + i]! * b[start + i]!;
  return sum;
}
