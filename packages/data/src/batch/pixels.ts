/** Bytes to the range that models see: x / 127.5 - 1, so 0 becomes -1 and 255 becomes 1. Any shape. */
export function toFloat(bytes: Uint8Array): Float32Array {
  const out = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes[i]! / 127.5 - 1;
  return out;
}

/**
 * The way back: 127.5 (x + 1), rounded to the nearest integer and clamped to [0, 255]. Any shape.
 * @throws {RangeError} if a number is NaN: a picture of it would hide that
 */
export function toBytes(values: Float32Array): Uint8Array {
  const out = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) throw new RangeError(`Value ${i} of ${values.length} is NaN, which is no color.`);
    out[i] = Math.round(Math.min(255, Math.max(0, 127.5 * (value + 1))));
  }
  return out;
}
