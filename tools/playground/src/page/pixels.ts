/** Images on a canvas, one canvas pixel per image pixel; CSS enlarges them. */

/** [H, W, C] of one image. */
export type Shape = readonly [height: number, width: number, channels: number];

/** Images as floats in [-1, 1], or as bytes: [N, H, W, C]. */
export type Pixels = Float32Array | Uint8Array;

/** Empty pixels between images. */
const gap = 1;

/** Paints images in rows of `columns`, left to right. Values outside of the range are clipped. */
export function paintImages(canvas: HTMLCanvasElement, pixels: Pixels, shape: Shape, columns: number): void {
  const [height, width, channels] = shape;
  const count = pixels.length / (height * width * channels);
  const rows = Math.ceil(count / columns);
  canvas.width = columns * (width + gap) - gap;
  canvas.height = rows * (height + gap) - gap;
  const context = canvas.getContext('2d')!;
  for (let n = 0; n < count; n++) {
    const image = imageData(pixels, shape, n);
    context.putImageData(image, (n % columns) * (width + gap), Math.floor(n / columns) * (height + gap));
  }
}

function imageData(pixels: Pixels, [height, width, channels]: Shape, n: number): ImageData {
  const image = new ImageData(width, height);
  const first = n * height * width * channels;
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) {
      const value = pixels[first + i * channels + (channels === 1 ? 0 : c)]!;
      // Uint8ClampedArray rounds and clips.
      image.data[4 * i + c] = pixels instanceof Uint8Array ? value : 127.5 * (value + 1);
    }
    image.data[4 * i + 3] = 255;
  }
  return image;
}

/** The first images of [N, H, W, C]. */
export function firstImages<T extends Pixels>(pixels: T, [height, width, channels]: Shape, count: number): T {
  return pixels.subarray(0, count * height * width * channels) as T;
}
