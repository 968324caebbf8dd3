/** Manifests with their hashes, computed synchronously. */
import { sha256 } from '../files/hash.js';
import {
  checkManifestHash,
  manifestText,
  readManifest,
  type Manifest,
  type ManifestFields,
} from './manifest-format.js';

/** The text of a manifest of the current format. */
export function formatManifest(manifest: ManifestFields & Pick<Manifest, 'files'>): string {
  return manifestText(manifest, sha256(manifestText(manifest)));
}

/**
 * Parses a manifest of any format; `path` is used in messages.
 *
 * @throws {UserError} `CHECKPOINT_INVALID` if it is damaged, `CHECKPOINT_NEWER` if a newer version wrote it
 */
export function parseManifest(bytes: Uint8Array, path: string): Manifest {
  const { hashed, parse } = readManifest(bytes, path);
  if (hashed !== undefined) checkManifestHash(sha256(hashed.bytes), hashed, path);
  return parse();
}
