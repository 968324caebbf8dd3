/** Sheets of images: a PNG, for what a plot cannot show. */
import { imageGrid } from '@dm/data';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Picture {
  /** Name of its file, without extension. */
  readonly name: string;
  /** Under it in the README. */
  readonly caption: string;
  /** uint8 [N, H, W, C], row by row of the sheet. */
  readonly images: Uint8Array;
  /** [H, W, C] */
  readonly shape: readonly [number, number, number];
  readonly columns: number;
}

/** Writes <name>.png into `folder`, each pixel three times as wide and high. */
export async function writePicture(
  folder: string,
  { name, images, shape, columns }: Picture,
): Promise<void> {
  writeFileSync(join(folder, `${name}.png`), await imageGrid(images, { shape, columns, scale: 3 }));
}
