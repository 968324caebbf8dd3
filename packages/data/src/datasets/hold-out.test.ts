import { createHash } from 'node:crypto';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../dataset.js';
import { writeNpz } from '../formats/npy-files.js';
import { createMemoryDataset } from './memory.js';
import { isHeldOut } from './hold-out.js';
import { openDataset } from './open-dataset.js';

const count = 60;
const share = 0.3;
let folder: string;
const files: { name: string; bytes: Uint8Array }[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dm-hold-out-'));
  const images = join(folder, 'images');
  for (let i = 0; i < count; i++) {
    const data = new Uint8Array(3 * 16).fill(4 * i);
    const bytes = await sharp(data, { raw: { width: 4, height: 4, channels: 3 } })
      .png()
      .toBuffer();
    const name = `${i % 2 === 0 ? 'even' : 'odd'}/${String(i).padStart(2, '0')}.png`;
    await mkdir(join(images, i % 2 === 0 ? 'even' : 'odd'), { recursive: true });
    await writeFile(join(images, name), bytes);
    files.push({ name, bytes });
  }
  await writeFile(
    join(folder, 'images.zip'),
    zipSync(Object.fromEntries(files.map(({ name, bytes }) => [name, bytes]))),
  );
  const pixels = Uint8Array.from({ length: count * 16 }, (_, i) => 4 * Math.floor(i / 16));
  await writeNpz(join(folder, 'images.npz'), {
    images: { shape: [count, 4, 4], data: pixels },
    labels: { shape: [count], data: Int32Array.from({ length: count }, (_, i) => i % 2) },
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The first pixel of each image, divided by 4: its number. */
async function numbers(dataset: Dataset): Promise<number[]> {
  const { images } = await dataset.read(Array.from({ length: dataset.length }, (_, i) => i));
  const size = images.length / dataset.length;
  return Array.from({ length: dataset.length }, (_, i) => images[i * size]! / 4);
}

const all = Array.from({ length: count }, (_, i) => i);

describe('holdOut', () => {
  it.each(['folder', 'zip', 'npz'])('divides a %s into two parts by content', async (kind) => {
    const spec = kind === 'folder' ? `folder:${join(folder, 'images')}` : join(folder, `images.${kind}`);
    const open = (part: 'rest' | 'heldOut') => openDataset(spec, { size: 4, channels: 3, holdOut: { share, part } });
    const [rest, heldOut] = await Promise.all([open('rest'), open('heldOut')]);
    const expected = all.filter((i) => {
      const content = kind === 'npz' ? new Uint8Array(16).fill(4 * i) : files[i]!.bytes;
      return createHash('sha256').update(content).digest().readUIntBE(0, 6) / 2 ** 48 < share;
    });
    expect(expected.length).toBeGreaterThan(5);
    expect(new Set(await numbers(heldOut))).toEqual(new Set(expected));
    expect(new Set(await numbers(rest))).toEqual(new Set(all.filter((i) => !expected.includes(i))));
    expect(rest.length + heldOut.length).toBe(count);
    const { labels } = await heldOut.read([...Array(heldOut.length).keys()]);
    expect([...labels!]).toEqual((await numbers(heldOut)).map((i) => i % 2));
    expect(await rest.hash()).not.toBe(await heldOut.hash());
    expect(heldOut.notes?.join()).toContain(`${heldOut.length} of ${count}`);
    const named = heldOut.nameOf?.(0) ?? 'no file';
    expect(named).toContain(kind === 'npz' ? 'no file' : `${String((await numbers(heldOut))[0]).padStart(2, '0')}.png`);
  });

  it('with skipBad, leaves out of both parts what cannot be read, and says so', async () => {
    const some = join(folder, 'some');
    await mkdir(some);
    for (const { name, bytes } of files.slice(0, 20)) await writeFile(join(some, basename(name)), bytes);
    await writeFile(join(some, 'large.png'), new Uint8Array(3000));
    const open = (part: 'rest' | 'heldOut', skipBad: boolean) =>
      openDataset(`folder:${some}`, { size: 4, skipBad, limits: { maxFileBytes: 2000 }, holdOut: { share, part } });
    await expect(open('rest', false)).rejects.toThrowWith({ code: 'DATA_LIMIT', contains: ['large.png'] });
    const parts = [await open('rest', true), await open('heldOut', true)] as const;
    expect(parts[0].length + parts[1].length).toBe(20);
    for (const { notes } of parts) expect(notes!.join()).toMatch(/1 of \d+ images skipped.*large\.png/);
  });

  it('hashes the part like a dataset of its images', async () => {
    const part = await openDataset(join(folder, 'images.npz'), { holdOut: { share, part: 'heldOut' } });
    const { images, labels } = await part.read([...Array(part.length).keys()]);
    const same = createMemoryDataset({ name: 'x', images, shape: [4, 4, 1], labels: labels! });
    expect(await part.hash()).toBe(await same.hash());
  });

  it('holds out about the share, whatever the order', () => {
    const held = Array.from({ length: 10_000 }, (_, i) => isHeldOut(new TextEncoder().encode(`image ${i}`), 0.05));
    const sum = held.filter(Boolean).length;
    expect(sum).toBeGreaterThan(400);
    expect(sum).toBeLessThan(600);
  });

  it.each([
    [{ share: 0, part: 'rest' }, RangeError, ['share', '0']],
    [{ share: 1, part: 'rest' }, RangeError, ['share', '1']],
    [{ share, part: 'none' }, RangeError, ['part', 'none']],
  ])('refuses %j', async (holdOut, type, contains) => {
    const opening = openDataset(join(folder, 'images.npz'), { holdOut: holdOut as { share: number; part: 'rest' } });
    await expect(opening).rejects.toThrowWith({ type, contains });
  });

  it('refuses a share that leaves a part empty', async () => {
    const opening = openDataset(join(folder, 'images.npz'), { holdOut: { share: 1e-9, part: 'heldOut' } });
    await expect(opening).rejects.toThrowWith({ code: 'DATA_OPTION', contains: ['1e-9', `${count}`] });
  });
});
