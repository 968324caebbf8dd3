/** The files of images that the page loads: gzip of one line of JSON, then the images and their labels as bytes. */
import type { TrainingImages } from '../worker/messages.js';

interface Header {
  readonly name: string;
  readonly count: number;
  readonly shape: readonly [number, number, number];
  readonly classes: readonly string[];
}

/** The content of a file before compression. Labels are bytes. */
export function formatImages({ name, images, shape, labels, classes }: TrainingImages): Uint8Array<ArrayBuffer> {
  const count = images.length / shape.reduce((a, b) => a * b);
  const header = new TextEncoder().encode(`${JSON.stringify({ name, count, shape, classes } satisfies Header)}\n`);
  const bytes = new Uint8Array(header.length + images.length + (labels?.length ?? 0));
  bytes.set(header);
  bytes.set(images, header.length);
  if (labels) bytes.set(labels, header.length + images.length);
  return bytes;
}

/**
 * The inverse of `formatImages`.
 * @throws {RangeError} if the file is incomplete
 */
export function parseImages(bytes: Uint8Array<ArrayBuffer>): TrainingImages {
  const end = bytes.indexOf(10);
  const { name, count, shape, classes } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))) as Header;
  const size = count * shape[0] * shape[1] * shape[2];
  const images = bytes.slice(end + 1, end + 1 + size);
  const labels = bytes.slice(end + 1 + size);
  if (images.length !== size || (classes.length > 0 && labels.length !== count)) {
    throw new RangeError(`${name}: ${bytes.length} bytes, too few for ${count} images`);
  }
  return { name, images, shape, classes, ...(classes.length > 0 && { labels }) };
}
