/** The pictures of earlier steps. They are thinned out as the run grows, and stored with it. */

/** The pictures after a step. */
export interface Drawing {
  readonly step: number;
  /** Of each network: uint8 [16, H, W, C]. */
  readonly pictures: readonly Uint8Array[];
  /** Similarity of two networks, and of shuffled pairs. */
  readonly agreement?: { readonly same: number; readonly shuffled: number };
}

/** Drawings that are stored; beyond it, every other one is dropped, except the first and the last. */
export const mostDrawings = 32;

/** `drawings` with one more. One of the same or a later step is replaced: a run that was reset starts again. */
export function withDrawing(drawings: readonly Drawing[], drawing: Drawing): readonly Drawing[] {
  const all = [...drawings.filter(({ step }) => step < drawing.step), drawing];
  return all.length <= mostDrawings ? all : all.filter((_, i) => i % 2 === 0 || i === all.length - 1);
}

/** Floats in [-1, 1] as bytes; values outside of the range are clipped. */
export function toBytes(pictures: Float32Array): Uint8Array {
  const bytes = Uint8ClampedArray.from(pictures, (value) => 127.5 * (value + 1));
  return new Uint8Array(bytes.buffer);
}

/** A file: the length of a JSON header (uint32, little-endian), the header, and the bytes of all pictures. */
export function formatDrawings(drawings: readonly Drawing[]): Uint8Array<ArrayBuffer> {
  const header = new TextEncoder().encode(
    JSON.stringify(drawings.map(({ step, agreement, pictures }) => ({ step, agreement, networks: pictures.length }))),
  );
  const images = drawings.flatMap(({ pictures }) => pictures);
  const file = new Uint8Array(4 + header.length + images.reduce((sum, { length }) => sum + length, 0));
  new DataView(file.buffer).setUint32(0, header.length, true);
  file.set(header, 4);
  let end = 4 + header.length;
  for (const image of images) {
    file.set(image, end);
    end += image.length;
  }
  return file;
}

/** The drawings of a file; `bytes` is the size of the pictures of one network. Empty if the file is damaged. */
export function parseDrawings(file: Uint8Array, bytes: number): readonly Drawing[] {
  try {
    const length = new DataView(file.buffer, file.byteOffset, file.byteLength).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(file.subarray(4, 4 + length))) as (Omit<Drawing, 'pictures'> & {
      readonly networks: number;
    })[];
    let end = 4 + length;
    const drawings = header.map(({ step, agreement, networks }): Drawing => {
      const pictures = Array.from({ length: networks }, () => file.slice(end, (end += bytes)));
      return { step, pictures, ...(agreement && { agreement }) };
    });
    return end === file.length && drawings.every(({ step }) => Number.isInteger(step)) ? drawings : [];
  } catch {
    return [];
  }
}
