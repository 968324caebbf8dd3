/**
 * Halves height and width by averaging squares of 2x2 pixels, rounded to the nearest byte: uint8 [N, H, W, C] →
 * [N, H / 2, W / 2, C].
 * @throws {RangeError} if H or W is odd, or the number of bytes is not a multiple of H W C
 */
export function halveImages(
  images: Uint8Array,
  [height, width, channels]: readonly [height: number, width: number, channels: number],
): Uint8Array<ArrayBuffer> {
  if (height % 2 !== 0 || width % 2 !== 0 || images.length % (height * width * channels) !== 0) {
    throw new RangeError(
      `halveImages: ${images.length} bytes are not images of ${height}x${width}x${channels} with even height and width.`,
    );
  }
  const row = width * channels;
  const halved = new Uint8Array(images.length / 4);
  for (let i = 0; i < halved.length; i++) {
    const column = i % (row / 2);
    const channel = column % channels;
    // The rows of all images are consecutive, and each image has an even number of them.
    const at = 4 * (i - column) + 2 * (column - channel) + channel;
    halved[i] = Math.round(
      (images[at]! + images[at + channels]! + images[at + row]! + images[at + row + channels]!) / 4,
    );
  }
  return halved;
}
