import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { openIdx } from '../datasets/idx.js';
import { parseIdx, readIdx } from './idx.js';

/** Header and data of an idx file: big-endian dimensions. */
function idxBytes(shape: readonly number[], data: readonly number[], type = 0x08): Uint8Array {
  const header = [0, 0, type, shape.length, ...shape.flatMap((side) => [side >>> 24, side >>> 16, side >>> 8, side])];
  return Uint8Array.from([...header, ...data]);
}

const images = idxBytes([2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
const labels = idxBytes([2], [1, 0]);

describe('parseIdx', () => {
  it('reads the shape and the bytes', () => {
    expect(parseIdx(images, 'x')).toEqual({ shape: [2, 2, 3], data: Uint8Array.from({ length: 12 }, (_, i) => i + 1) });
  });

  it('reads a dimension above 255 as big-endian', () => {
    expect(
      parseIdx(
        idxBytes(
          [258],
          Array.from({ length: 258 }, () => 7),
        ),
        'x',
      ).shape,
    ).toEqual([258]);
  });

  it.each([
    ['too short', Uint8Array.of(0, 0, 8), 'DATA_CORRUPT', ['x: 3 bytes']],
    ['bad magic', Uint8Array.of(0x89, 0x50, 0x4e, 0x47), 'DATA_INVALID', ['x: not an idx', '89 50 4e 47']],
    ['float type', idxBytes([1], [0, 0, 0, 0], 0x0d), 'DATA_UNSUPPORTED', ['x: ', '0x0d (float32)']],
    ['unknown type', idxBytes([1], [0], 0x42), 'DATA_UNSUPPORTED', ['0x42 (unknown)']],
    ['no dimension', idxBytes([], []), 'DATA_INVALID', ['x: ', 'without dimensions']],
    ['header cut off', images.subarray(0, 10), 'DATA_CORRUPT', ['10 of 16 bytes']],
    ['data cut off', images.subarray(0, 20), 'DATA_CORRUPT', ['[2, 2, 3]', '12 bytes', '4 follow']],
    ['trailing bytes', Uint8Array.from([...images, 0]), 'DATA_CORRUPT', ['12 bytes', '13 follow']],
    ['zero images', idxBytes([0, 2, 3], []), 'DATA_EMPTY', ['x: empty', '[0, 2, 3]']],
    ['huge dimensions', idxBytes([0xffffffff, 0xffffffff, 0xffffffff], [1]), 'DATA_CORRUPT', ['1 follow']],
  ])('refuses: %s', (_, bytes, code, contains) => {
    expect(() => parseIdx(bytes, 'x')).toThrowWith({ code, contains });
  });
});

describe('idx files', () => {
  let dir: string;
  const at = (name: string) => join(dir, name);
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'dm-idx-'));
    await writeFile(at('images'), images);
    // The name does not say that it is gzipped; the content does.
    await writeFile(at('zipped'), gzipSync(images));
    await writeFile(at('labels'), labels);
    await writeFile(at('three'), idxBytes([3], [0, 1, 2]));
    await writeFile(at('damaged.gz'), gzipSync(images).subarray(0, 20));
  });

  it('reads gzipped files like plain ones', async () => {
    expect(await readIdx(at('zipped'))).toEqual(await readIdx(at('images')));
  });

  it('opens images with labels', async () => {
    const set = await openIdx({ images: at('images'), labels: at('labels') });
    expect([set.length, set.shape, set.classes]).toEqual([2, [2, 3, 1], ['0', '1']]);
    const batch = await set.read([1, 1, 0]);
    expect([...batch.images]).toEqual([7, 8, 9, 10, 11, 12, 7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6]);
    expect([...batch.labels!]).toEqual([0, 0, 1]);
  });

  it('names the file and what is wrong', async () => {
    await expect(readIdx(at('absent'))).rejects.toThrowWith({ code: 'DATA_NOT_FOUND', contains: at('absent') });
    await expect(readIdx(at('damaged.gz'))).rejects.toThrowWith({ code: 'DATA_CORRUPT', contains: ['damaged.gz'] });
    await expect(openIdx({ images: at('labels') })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['has 1: [2]', 'label'],
    });
    await expect(openIdx({ images: at('images'), labels: at('three') })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['three: 3 labels', '2 images'],
    });
    await expect(openIdx({ images: at('images'), labels: at('images') })).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['1 dimension'],
    });
  });
});
