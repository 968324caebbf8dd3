import { createHash } from 'node:crypto';

/** SHA-256 (hex) of the parts one after the other. */
export type Sha256 = (parts: readonly Uint8Array[]) => string | Promise<string>;

/** In Node. */
export const sha256: Sha256 = (parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};
