/** Samples and features as text for JSON results. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** Encodes uint8 [N, ...] as base64 of its deflated bytes. */
export const encodeBytes = (bytes: Uint8Array): string => deflateRawSync(bytes, { level: 9 }).toString('base64');

/** Decodes what `encodeBytes` returned. */
export const decodeBytes = (text: string): Uint8Array => new Uint8Array(inflateRawSync(Buffer.from(text, 'base64')));

/** Numbers quantized to 256 levels between their minimum (`low`) and maximum (`high`). */
export interface Quantized {
  readonly low: number;
  readonly high: number;
  readonly values: string;
}

export function quantize(values: Float32Array): Quantized {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const step = (high - low) / 255 || 1;
  return { low, high, values: encodeBytes(Uint8Array.from(values, (value) => Math.round((value - low) / step))) };
}

export function dequantize({ low, high, values }: Quantized): Float32Array {
  return Float32Array.from(decodeBytes(values), (byte) => low + (byte * (high - low)) / 255);
}
