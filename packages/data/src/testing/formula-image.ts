/** uint8 [height, width, channels]: part of the images of a closed formula that tools/extractors/formula.py has too. */
export function formulaImage(height: number, width: number, channels: number): Uint8Array {
  return Uint8Array.from({ length: height * width * channels }, (_, i) => {
    const [c, x, y] = [i % channels, Math.floor(i / channels) % width, Math.floor(i / channels / width)];
    return Math.floor((x * x + 3 * y * y + 5 * x * y * c) / 16) % 256;
  });
}
