import { createHash } from 'node:crypto';

/** SHA-256 (hex) of the image bytes, added in chunks of any size, followed by the labels as little-endian int32. */
export function createContentHash(): { add(images: Uint8Array): void; digest(labels?: Int32Array): string } {
  const sha = createHash('sha256');
  return {
    add: (images) => void sha.update(images),
    digest(labels) {
      if (labels) sha.update(labelBytes(labels));
      return sha.digest('hex');
    },
  };
}

/** Labels as little-endian int32, independent of the machine's byte order. */
export function labelBytes(labels: Int32Array): Uint8Array {
  const bytes = new Uint8Array(labels.length * 4);
  const view = new DataView(bytes.buffer);
  labels.forEach((label, i) => view.setInt32(i * 4, label, true));
  return bytes;
}
