import { createHash } from 'node:crypto';
import { labelBytes } from './label-bytes.js';

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
