/** Up- and downsampling by two with a separable filter, as in NVlabs's networks. */
import * as tf from '@tensorflow/tfjs-core';
import { conv2d, upsampleNearest } from '@dm/ops';

type Filter = readonly number[];

/** The outer product of a filter with itself, divided by its sum: the `resample_filter` of state dicts, [k, k]. */
export function filterTable(filter: Filter): Float32Array {
  const total = filter.reduce((sum, tap) => sum + tap, 0) ** 2;
  return Float32Array.from(filter.flatMap((a) => filter.map((b) => (a * b) / total)));
}

const isBox = (filter: Filter): boolean => filter.length === 2 && filter[0] === filter[1];

/**
 * Halves height and width: [N, H, W, C] → [N, H / 2, W / 2, C], a strided convolution of each channel with the filter.
 * `pad` zeros are added on all sides; by default as many as keep the centers, (k - 2) / 2.
 */
export function downsample(x: tf.Tensor, filter: Filter, pad = (filter.length - 2) / 2): tf.Tensor {
  if (isBox(filter) && pad === 0) return tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid');
  const size = filter.length;
  return perChannel(x, (planes) =>
    conv2d(planes, tf.tensor4d(filterTable(filter), [size, size, 1, 1]), { strides: 2, pad }),
  );
}

/**
 * Doubles height and width: [N, H, W, C] → [N, 2H, 2W, C], a transposed convolution of each channel with four times the
 * filter. Each of the four output pixels per input pixel is a convolution with every second tap.
 */
export function upsample(x: tf.Tensor, filter: Filter): tf.Tensor {
  if (isBox(filter)) return upsampleNearest(x);
  const phases = phaseFilters(filter);
  const side = phases.length;
  // [side, side, 1, 4]: phase (a, b) of the output at the channel 2a + b.
  const kernel = Float32Array.from(
    phases.flatMap((row) => phases.flatMap((column) => row.flatMap((p) => column.map((q) => p * q)))),
  );
  return perChannel(x, (planes) => {
    const [n, height, width] = planes.shape as [number, number, number, number];
    const four = conv2d(planes, tf.tensor4d(kernel, [side, side, 1, 4]), { pad: (side - 1) / 2 });
    const apart = tf.transpose(tf.reshape(four, [n, height, width, 2, 2]), [0, 1, 3, 2, 4]);
    return tf.reshape(apart, [n, 2 * height, 2 * width, 1]);
  });
}

/**
 * For each offset of the input, from -r to r, the taps for the even and for the odd output position. Output o of a
 * transposed convolution with stride 2 and padding p sums input j times tap o + p - 2j.
 */
function phaseFilters(filter: Filter): [even: number, odd: number][] {
  const sum = filter.reduce((total, tap) => total + tap, 0);
  const pad = (filter.length - 2) / 2;
  const reach = Math.floor(filter.length / 4);
  const tap = (k: number) => (2 * (filter[k] ?? 0)) / sum;
  return Array.from({ length: 2 * reach + 1 }, (_, i) => {
    const offset = i - reach;
    return [tap(pad - 2 * offset), tap(1 + pad - 2 * offset)];
  });
}

/** Applies a function of [N C, H, W, 1] to [N, H, W, C]. */
function perChannel(x: tf.Tensor, unit: (planes: tf.Tensor) => tf.Tensor): tf.Tensor {
  const [n, height, width, channels] = x.shape as [number, number, number, number];
  const planes = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [n * channels, height, width, 1]);
  const out = unit(planes);
  return tf.transpose(tf.reshape(out, [n, channels, out.shape[1]!, out.shape[2]!]), [0, 2, 3, 1]);
}
