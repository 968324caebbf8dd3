/** Whether measurements of several sessions of a run can be compared. */
import { isDeepStrictEqual } from 'node:util';
import { sha256 } from '../files/hash.js';

/** What measurements have in common that can be compared. */
interface Setting {
  /** Name of the data set, which may have another place later. */
  readonly data: string;
  /** SHA-256 of the images and their classes; undefined in files of earlier versions. */
  readonly imagesSha256?: string;
}

/** Whether two settings are equal apart from the place of the data. Images are the same if one setting does not say which. */
export function isSameSetting<T extends Setting>(a: T, b: T): boolean {
  const isKnown = a.imagesSha256 !== undefined && b.imagesSha256 !== undefined;
  const compared = ({ data: _data, imagesSha256, ...rest }: T) => (isKnown ? { ...rest, imagesSha256 } : rest);
  return isDeepStrictEqual(compared(a), compared(b));
}

/** SHA-256 of values of images, and of their classes if they have any. */
export function imagesHash(images: Float32Array, labels: Int32Array | undefined): string {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array | Int32Array) =>
    new Uint8Array(buffer, byteOffset, byteLength);
  return sha256(Buffer.concat([bytes(images), ...(labels === undefined ? [] : [bytes(labels)])]));
}
