/** The content of a checkpoint, whatever it is stored in: folders on disk, or a store in a browser. */
import { transpose } from '@dm/models';
import type { NdArray } from '@dm/ops';
import { damaged } from './damage.js';
import type { Manifest } from './manifest-format.js';

/**
 * The content of a file as a sequence of parts. An array with `axes` is transposed (`transpose` of @dm/models) only when
 * it is written, to avoid a second copy of a large state. Plain data that can be sent to another thread.
 */
export type FileContent = readonly FilePart[];
export type FilePart = Uint8Array | { readonly array: NdArray; readonly axes: readonly number[] };

/** A checkpoint with a valid manifest; the files read with it match their sizes and hashes in the manifest. */
export interface Checkpoint {
  readonly path: string;
  readonly manifest: Manifest;
  /** All files of the manifest, or the requested ones. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** The bytes of a part, in the layout of the file. */
export function partBytes(part: FilePart): Uint8Array {
  return part instanceof Uint8Array ? part : rawBytes(transpose(part.array, part.axes));
}

/** Size of a file with this content, in bytes. */
export function contentSize(content: FileContent): number {
  return content.reduce((sum, part) => sum + (part instanceof Uint8Array ? part : part.array.data).byteLength, 0);
}

/** The bytes of an array in memory order; all platforms with engines are little-endian. */
export function rawBytes({ data }: NdArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** An entry of a manifest: size and SHA-256. */
export type FileEntry = Manifest['files'][string];

/** @throws {UserError} `CHECKPOINT_INVALID` if the SHA-256 `found` is not the one in the manifest */
export function checkHash(path: string, found: string, { sha256 }: FileEntry): void {
  if (found !== sha256) throw damaged(`${path} is damaged: its SHA-256 differs from the one in the manifest.`);
}
