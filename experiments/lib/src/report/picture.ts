/** PNG pictures of labeled rows of images. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageGrid } from '@dm/data';
import sharp from 'sharp';

export interface Picture {
  /** File name without extension. */
  readonly name: string;
  /** Caption in the README. */
  readonly caption: string;
  /** Shape of each image, [H, W, C]. */
  readonly shape: readonly [number, number, number];
  /** Label and images of each row, concatenated; all rows have the same number of images. */
  readonly rows: readonly { readonly name: string; readonly images: Uint8Array }[];
  /** Magnification: side of an image pixel in pixels of the picture. */
  readonly scale: number;
}

const GAP = 2;
/** Width of the row labels, in pixels. */
const MARGIN = 190;

/** Writes `<name>.png` to `folder`. */
export async function writePicture(folder: string, { name, shape, rows, scale }: Picture): Promise<void> {
  const [height, width, channels] = shape;
  const columns = rows[0]!.images.length / (width * height * channels);
  const images = Buffer.concat(rows.map((row) => row.images));
  const grid = await imageGrid(Uint8Array.from(images), { shape, columns, scale, gap: GAP });
  const step = height * scale + GAP;
  const text = rows.map((row, i) => `<text x="6" y="${i * step + GAP + step / 2 + 5}">${escaped(row.name)}</text>`);
  const sheetHeight = rows.length * step + GAP;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${MARGIN}" height="${sheetHeight}" ` +
    `font-family="DejaVu Sans, sans-serif" font-size="14">${text.join('')}</svg>`;
  const png = await sharp(grid)
    .extend({ left: MARGIN, background: 'white' })
    .toColorspace('srgb')
    .composite([{ input: Buffer.from(svg), left: 0, top: 0 }])
    .png({ compressionLevel: 9, palette: true })
    .toBuffer();
  writeFileSync(join(folder, `${name}.png`), png);
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
