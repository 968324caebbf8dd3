/** Whole files in memory, whatever their size: Node reads and hashes less than 2 GiB in one call. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Bytes that go through one call of the file system or of a hash, by default. */
export const pieceBytes = 2 ** 26;

/** The parts of `bytes`, in order, each at most `size` long: views, no copies. */
export function* piecesOf(bytes: Uint8Array, size = pieceBytes): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export interface ReadOptions {
  /** Told of each piece as it comes, such as a hash. */
  readonly onPiece?: (piece: Uint8Array) => void;
  /** Bytes of a piece. */
  readonly size?: number;
}

/** Reads a file piece by piece into one array. Throws what the file system throws, and where the file shrinks meanwhile. */
export function readWhole(path: string, { onPiece, size = pieceBytes }: ReadOptions = {}): Uint8Array {
  const fd = openSync(path, 'r');
  try {
    const bytes = new Uint8Array(fstatSync(fd).size);
    for (const piece of piecesOf(bytes, size)) {
      // Fewer bytes than asked are a normal answer.
      for (let done = 0; done < piece.length;) {
        const read = readSync(fd, piece, done, piece.length - done, null);
        if (read === 0) throw new Error(`${path} became shorter while it was read`);
        done += read;
      }
      onPiece?.(piece);
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}
