import { mkdir, rm, writeFile } from 'node:fs/promises';
import { imageGrid } from '@dm/data';

const size = 32;

/** Whether a pixel, relative to the center and the radius, belongs to the shape. */
const shapes = {
  circles: (x: number, y: number) => Math.hypot(x, y) < 1,
  squares: (x: number, y: number) => Math.max(Math.abs(x), Math.abs(y)) < 0.85,
  crosses: (x: number, y: number) => Math.min(Math.abs(x), Math.abs(y)) < 0.3 && Math.max(Math.abs(x), Math.abs(y)) < 1,
};

/** Numbers in [0, 1), evenly spread over n, and the same in every run. Each k gives another sequence. */
const spread = (n: number, k: number): number => (n * Math.sqrt(k)) % 1;

/** Draws `count` colored shapes per class, one folder per class, and returns the folder. */
export async function drawShapes(folder: string, count: number): Promise<string> {
  await rm(folder, { recursive: true, force: true }); // an earlier run may have drawn more
  for (const [name, isInside] of Object.entries(shapes)) {
    await mkdir(`${folder}/${name}`, { recursive: true });
    for (let n = 0; n < count; n++) {
      const radius = 6 + 6 * spread(n, 2);
      const [cx, cy] = [3, 5].map((k) => radius + (size - 2 * radius) * spread(n, k)) as [number, number];
      const [ink, paper] = [0, 1].map((light) => [7, 11, 13].map((k) => 127 * (light + spread(n + 0.5 * light, k))));
      const pixels = Array.from({ length: size * size }, (_, i) =>
        isInside(((i % size) - cx) / radius, (Math.floor(i / size) - cy) / radius) ? ink! : paper!,
      );
      const png = await imageGrid(Uint8Array.from(pixels.flat()), { shape: [size, size, 3], columns: 1, gap: 0 });
      await writeFile(`${folder}/${name}/${n}.png`, png);
    }
  }
  return folder;
}
