/**
 * Crops image n of uint8 [N, H, W, C] at row floor(offsets[2n] (H - size + 1)) and column
 * floor(offsets[2n + 1] (W - size + 1)): all positions are equally likely if `offsets` are uniform in [0, 1).
 */
export function cropImages(
  images: Uint8Array,
  [height, width, channels]: readonly [number, number, number],
  size: number,
  offsets: ArrayLike<number>,
): Uint8Array {
  const count = images.length / (height * width * channels);
  const out = new Uint8Array(count * size * size * channels);
  for (let n = 0; n < count; n++) {
    const top = Math.floor(offsets[2 * n]! * (height - size + 1));
    const left = Math.floor(offsets[2 * n + 1]! * (width - size + 1));
    for (let y = 0; y < size; y++) {
      const start = ((n * height + top + y) * width + left) * channels;
      out.set(images.subarray(start, start + size * channels), (n * size + y) * size * channels);
    }
  }
  return out;
}
