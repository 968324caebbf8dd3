/** Reference implementations of the ops in float64, as plain loops over their definitions, for finite differences. */
import type { OpCase } from './op-cases.js';

/** A function of one flat array per input, in row-major order. */
export type Reference = (...inputs: Float64Array[]) => Float64Array;

const sum = (count: number, term: (i: number) => number): number => {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
};

/**
 * erf(x) = 2/sqrt(π) exp(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (2n+1)!! (https://dlmf.nist.gov/7.6.E2), free of cancellation; 1 for x > 6.
 */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, total] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

/** Normalizes the values at `indices` to mean 0 and variance 1; writes them to `y`. */
function normalize(x: Float64Array, y: Float64Array, indices: readonly number[], epsilon: number): void {
  const mean = sum(indices.length, (i) => x[indices[i]!]!) / indices.length;
  const variance = sum(indices.length, (i) => (x[indices[i]!]! - mean) ** 2) / indices.length;
  for (const i of indices) y[i] = (x[i]! - mean) / Math.sqrt(variance + epsilon);
}

function affine(y: Float64Array, scale: Float64Array, offset: Float64Array): Float64Array {
  return y.map((value, i) => value * scale[i % scale.length]! + offset[i % offset.length]!);
}

/** The op of a case as a function of its inputs. */
export function reference(opCase: OpCase): Reference {
  const shapes = Object.values(opCase.inputs).map(({ shape }) => shape);
  const [first = []] = shapes;
  switch (opCase.op) {
    case 'groupNorm':
      return (x, scale, offset) => {
        const { groups, epsilon } = opCase.attrs;
        const [n, channels] = [first[0]!, first.at(-1)!];
        const y = new Float64Array(x.length);
        for (let image = 0; image < n; image++) {
          for (let group = 0; group < groups; group++) {
            const inGroup = (i: number) =>
              Math.floor(i / (x.length / n)) === image && Math.floor((i % channels) / (channels / groups)) === group;
            normalize(x, y, [...x.keys()].filter(inGroup), epsilon);
          }
        }
        return affine(y, scale, offset);
      };
    case 'layerNorm':
      return (x, scale, offset) => {
        const channels = first.at(-1)!;
        const y = new Float64Array(x.length);
        for (let row = 0; row < x.length; row += channels) {
          const indices = Array.from({ length: channels }, (_, c) => row + c);
          normalize(x, y, indices, opCase.attrs.epsilon);
        }
        return scale && offset ? affine(y, scale, offset) : y;
      };
    case 'silu':
      return (x) => x.map((value) => value / (1 + Math.exp(-value)));
    case 'gelu': {
      const { approximate } = opCase.attrs;
      const inner = (value: number) => Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3);
      const bent =
        approximate === 'tanh'
          ? (value: number) => Math.tanh(inner(value))
          : (value: number) => erf(value / Math.SQRT2);
      return (x) => x.map((value) => (value / 2) * (1 + bent(value)));
    }
    case 'conv2d':
      return (x, filter, bias) => {
        const { strides, pad } = opCase.attrs;
        const [, h, w, inChannels] = first as [number, number, number, number];
        const [kh, kw] = shapes[1] as [number, number];
        const [, , wo, o] = opCase.y as [number, number, number, number];
        const at = (n: number, i: number, j: number, c: number) =>
          i < 0 || i >= h || j < 0 || j >= w ? 0 : x[((n * h + i) * w + j) * inChannels + c]!;
        const y = new Float64Array(opCase.y.reduce((product, d) => product * d, 1));
        return y.map((_, index) => {
          const [c, column, pixel] = [index % o, Math.floor(index / o) % wo, Math.floor(index / (o * wo))];
          const [row, n] = [pixel % opCase.y[1]!, Math.floor(pixel / opCase.y[1]!)];
          const [top, left] = [row * strides[0] - pad[0][0], column * strides[1] - pad[1][0]];
          const total = sum(kh * kw * inChannels, (k) => {
            const [i, a, b] = [k % inChannels, Math.floor(k / (inChannels * kw)), Math.floor(k / inChannels) % kw];
            return at(n, top + a, left + b, i) * filter[k * o + c]!;
          });
          return total + (bias?.[c] ?? 0);
        });
      };
    case 'attention':
      return (q, k, v) => {
        const { scale } = opCase.attrs;
        const [batch, heads, queries, d] = first as [number, number, number, number];
        const keys = shapes[1]![2]!;
        const y = new Float64Array(q.length);
        for (let query = 0; query < batch * heads * queries; query++) {
          const head = Math.floor(query / queries);
          const logits = Array.from({ length: keys }, (_, key) =>
            sum(d, (c) => scale * q[query * d + c]! * k[(head * keys + key) * d + c]!),
          );
          const total = sum(keys, (key) => Math.exp(logits[key]!));
          for (let c = 0; c < d; c++) {
            y[query * d + c] = sum(keys, (key) => (Math.exp(logits[key]!) / total) * v[(head * keys + key) * d + c]!);
          }
        }
        return y;
      };
    default: // 'upsampleNearest'
      return (x) => {
        const { factor } = opCase.attrs;
        const [n, h, w, c] = first as [number, number, number, number];
        const y: number[] = [];
        for (let image = 0; image < n; image++) {
          for (let i = 0; i < h * factor; i++) {
            for (let j = 0; j < w * factor; j++) {
              const pixel = (image * h + Math.floor(i / factor)) * w + Math.floor(j / factor);
              y.push(...x.subarray(pixel * c, (pixel + 1) * c));
            }
          }
        }
        return Float64Array.from(y);
      };
  }
}
