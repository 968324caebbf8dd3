/** Converts uint8 to the model's range [-1, 1]: x / 127.5 - 1. Any shape. */
export function toFloat(bytes: Uint8Array): Float32Array {
  const out = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes[i]! / 127.5 - 1;
  return out;
}

/**
 * Converts [-1, 1] to uint8: 127.5 (x + 1), rounded to the nearest integer and clamped to [0, 255]. Any shape.
 * @throws {RangeError} if a value is NaN, which an image would hide
 */
export function toBytes(values: Float32Array): Uint8Array {
  const out = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) throw new RangeError(`Value ${i} of ${values.length} is NaN, which is not a color.`);
    out[i] = Math.round(Math.min(255, Math.max(0, 127.5 * (value + 1))));
  }
  return out;
}
