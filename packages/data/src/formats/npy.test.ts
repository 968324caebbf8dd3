import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { describe, expect, it, vi } from 'vitest';
import { createMemoryDataset } from '../datasets/memory.js';
import { formatNpy, parseNpy, type NpyData } from './npy.js';
import { parseNpz, readNpz, writeNpy, writeNpz } from './npy-files.js';
import { openDataset } from '../datasets/open-dataset.js';

// Written by NumPy 2.4.6; the header is 128 bytes, 118 of them text.
const head = (text: string) => `\u0093NUMPY\u0001\u0000v\u0000${text.padEnd(117)}\n`;
const bytesOf = (latin1: string, data: number[] = []) => Uint8Array.from([...Buffer.from(latin1, 'latin1'), ...data]);
/** numpy.save of [[1.5, -2, 3], [4, 5, 6.25]] in float32. */
const FLOATS = bytesOf(head("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"), [
  ...Buffer.from('AADAPwAAAMAAAEBAAACAQAAAoEAAAMhA', 'base64'),
]);
/** numpy.savez_compressed(images=arange(8, dtype=uint8).reshape(2, 2, 2), labels=array([1, 0])) */
const NPZ = Buffer.from(
  'UEsDBC0AAAAIAAAAIQBhYP21//////////8KABQAaW1hZ2VzLm5weQEAEACIAAAAAAAAAE8AAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXlNqqK' +
    '6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaRjoKIKSpo1CrQB7gYmBkYmZhZWMHAFBLAwQtAAAACAAAACEAcfs5q///////////CgAUAGxh' +
    'YmVscy5ucHkBABAAkAAAAAAAAABIAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5Gk' +
    'Y6mjoKtQoUAC5GBlQAAFBLAQItAy0AAAAIAAAAIQBhYP21TwAAAIgAAAAKAAAAAAAAAAAAAACAAQAAAABpbWFnZXMubnB5UEsBAi0DLQAAAAgAAAAh' +
    'AHH7OatIAAAAkAAAAAoAAAAAAAAAAAAAAIABiwAAAGxhYmVscy5ucHlQSwUGAAAAAAIAAgBwAAAADwEAAAAA',
  'base64',
);

describe('npy', () => {
  it('reads what NumPy wrote', () => {
    expect(parseNpy(FLOATS, 'x')).toEqual({ shape: [2, 3], data: Float32Array.of(1.5, -2, 3, 4, 5, 6.25) });
    // An odd offset within a larger buffer, as a zip archive gives it.
    const shifted = Uint8Array.from([0, ...FLOATS]).subarray(1);
    expect(parseNpy(shifted, 'x').data).toEqual(Float32Array.of(1.5, -2, 3, 4, 5, 6.25));
  });

  it('reads and writes bool', () => {
    // numpy.save of [True, False, True].
    const bools = bytesOf(head("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }"), [1, 0, 1]);
    expect(parseNpy(bools, 'x')).toEqual({ shape: [3], data: Uint8Array.of(1, 0, 1), isBool: true });
    expect(formatNpy(parseNpy(bools, 'x'))).toEqual(bools);
    expect(parseNpy(Uint8Array.from([...bools.subarray(0, -1), 255]), 'x').data).toEqual(Uint8Array.of(1, 0, 1));
    expect(() => formatNpy({ shape: [1], data: Uint8Array.of(2), isBool: true })).toThrow(RangeError);
    expect(() => formatNpy({ shape: [1], data: Float32Array.of(1), isBool: true })).toThrow(RangeError);
  });

  it('reads a part of a larger buffer, such as Node hands out', () => {
    const file = formatNpy({ shape: [3], data: Float32Array.of(1, 2, 3) });
    const pool = Buffer.concat([Buffer.from([9, 9, 9]), file]);
    expect(parseNpy(pool.subarray(3), 'pool.npy')).toEqual({ shape: [3], data: Float32Array.of(1, 2, 3) });
  });

  it('writes the bytes that NumPy writes', () => {
    expect(formatNpy({ shape: [2, 3], data: Float32Array.of(1.5, -2, 3, 4, 5, 6.25) })).toEqual(FLOATS);
    const scalar = bytesOf(head("{'descr': '<i8', 'fortran_order': False, 'shape': (), }"), [7, 0, 0, 0, 0, 0, 0, 0]);
    expect(formatNpy({ shape: [], data: BigInt64Array.of(7n) })).toEqual(scalar);
    const bytes = bytesOf(head("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }"), [9]);
    expect(formatNpy({ shape: [1], data: Uint8Array.of(9) })).toEqual(bytes);
  });

  it.each<NpyData>([
    Int8Array.of(-1, 2),
    Uint8Array.of(1, 255),
    Int16Array.of(-300, 2),
    Uint16Array.of(1, 65535),
    Int32Array.of(-70000, 2),
    Uint32Array.of(1, 4294967295),
    Float32Array.of(0.1, NaN),
    Float64Array.of(0.1, -Infinity),
    BigInt64Array.of(-1n, 2n),
    BigUint64Array.of(1n, 18446744073709551615n),
  ])('round trip %#', (data) => {
    const shape = [2, 1];
    expect(parseNpy(formatNpy({ shape, data }), 'x')).toEqual({ shape, data });
    expect(parseNpy(formatNpy({ shape: [0, 3], data: data.slice(0, 0) }), 'x').data.length).toBe(0);
  });

  it.each([
    ['keys in another order', "{'shape': (2,), 'fortran_order': False, 'descr': '<f4'}", [2]],
    ['double quotes', '{"descr": "<f4", "fortran_order": False, "shape": (2,)}', [2]],
    ['long integers of Python 2', "{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 2L)}", [1, 2]],
    ['one axis in Fortran order', "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", [1, 2]],
  ])('reads what other programs write: %s', (_, header, shape) => {
    const bytes = Uint8Array.from([...bytesOf(head(header)), 0, 0, 128, 63, 0, 0, 0, 64]);
    expect(parseNpy(bytes, 'x')).toEqual({ shape, data: Float32Array.of(1, 2) });
  });

  it.each(['<u1', '>u1', '=u1', 'u1'])('reads bytes with an order: %s', (descr) => {
    const bytes = bytesOf(head(`{'descr': '${descr}', 'fortran_order': False, 'shape': (2,), }`));
    expect(parseNpy(Uint8Array.from([...bytes, 7, 9]), 'x').data).toEqual(Uint8Array.of(7, 9));
  });

  it.each([
    ['not npy', bytesOf('PK\u0003\u0004 and some more bytes'), 'DATA_INVALID', ['x: not a']],
    ['empty', new Uint8Array(), 'DATA_INVALID', ['x: not a']],
    ['version 4', bytesOf('\u0093NUMPY\u0004\u0000v\u0000xxxx'), 'DATA_UNSUPPORTED', ['version 4.0', '1 to 3']],
    ['header cut off', FLOATS.subarray(0, 60), 'DATA_CORRUPT', ['header']],
    ['data cut off', FLOATS.subarray(0, 150), 'DATA_CORRUPT', ['<f4 [2, 3]', '24 bytes', '22 follow']],
    ['trailing bytes', Uint8Array.from([...FLOATS, 0]), 'DATA_CORRUPT', ['24 bytes', '25 follow']],
    [
      'Fortran order',
      bytesOf(head("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }")),
      'DATA_UNSUPPORTED',
      ['Fortran order'],
    ],
    [
      'big-endian',
      bytesOf(head("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }")),
      'DATA_UNSUPPORTED',
      ["'>f4'"],
    ],
    [
      'objects',
      bytesOf(head("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }")),
      'DATA_UNSUPPORTED',
      ["'|O'"],
    ],
    [
      'a key twice',
      bytesOf(head("{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }")),
      'DATA_INVALID',
      ['malformed header'],
    ],
    ['no shape', bytesOf(head("{'descr': '<f4', 'fortran_order': False, }")), 'DATA_INVALID', ['header']],
    [
      'negative',
      bytesOf(head("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }")),
      'DATA_INVALID',
      ['header'],
    ],
    ['no tuple', bytesOf(head("{'descr': '<f4', 'fortran_order': False, 'shape': (3), }")), 'DATA_INVALID', ['(3)']],
    ['hole', bytesOf(head("{'descr': '<f4', 'fortran_order': False, 'shape': (3,,2), }")), 'DATA_INVALID', ['(3,,2)']],
    [
      'overflow',
      bytesOf(head("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }")),
      'DATA_INVALID',
      ['(4294967296, 4294967296)'],
    ],
  ])('refuses: %s', (_, bytes, code, contains) => {
    expect(() => parseNpy(bytes, 'x')).toThrowWith({ code, contains });
  });

  it('refuses to write a shape that does not fit', () => {
    expect(() => formatNpy({ shape: [2, 2], data: Float32Array.of(1, 2, 3) })).toThrowWith({
      type: RangeError,
      contains: ['[2, 2]', '3 numbers'],
    });
  });
});

describe('npz', () => {
  it('reads what NumPy wrote, as a data set too', async () => {
    expect(await parseNpz(NPZ, 'x')).toEqual({
      images: { shape: [2, 2, 2], data: Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7) },
      labels: { shape: [2], data: BigInt64Array.of(1n, 0n) },
    });
    const path = join(await mkdtemp(join(tmpdir(), 'dm-npz-')), 'set.npz');
    await writeFile(path, NPZ);
    const set = await openDataset(path);
    expect([set.length, set.shape, set.classes]).toEqual([2, [2, 2, 1], ['0', '1']]);
    const batch = await set.read([1]);
    expect([[...batch.images], [...batch.labels!]]).toEqual([[4, 5, 6, 7], [0]]);
  });

  it('as a data set is read although arrays that are not used have other types', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dm-npz-'));
    const path = join(folder, 'set.npz');
    const names = bytesOf(head("{'descr': '<U3', 'fortran_order': False, 'shape': (0,), }"));
    const images = formatNpy({ shape: [1, 1, 2], data: Uint8Array.of(5, 6) });
    await writeFile(path, zipSync({ 'class_names.npy': names, 'images.npy': images }));
    expect((await (await openDataset(path)).read([0])).images).toEqual(Uint8Array.of(5, 6));
    await expect(readNpz(path)).rejects.toThrowWith({ code: 'DATA_UNSUPPORTED', contains: ['class_names', "'<U3'"] });
  });

  it('holds no clock time', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'npz-'));
    const written: Buffer[] = [];
    for (const year of [2024, 2031]) {
      vi.useFakeTimers({ now: new Date(year, 5, 1), toFake: ['Date'] });
      await writeNpz(join(folder, 'x.npz'), { x: { shape: [1], data: Float32Array.of(1) } });
      vi.useRealTimers();
      written.push(await readFile(join(folder, 'x.npz')));
    }
    expect(written[0]).toEqual(written[1]);
  });

  it('round trip through a file', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'dm-npz-')), 'x.npz');
    const arrays = { noise: { shape: [2], data: Float32Array.of(1, 2) }, seed: { shape: [], data: Int32Array.of(3) } };
    await writeNpz(path, arrays);
    expect(await readNpz(path)).toEqual(arrays);
  });

  it('refuses damaged archives, other files in them, and arrays that are no images', async () => {
    await expect(parseNpz(NPZ.subarray(0, 100), 'x')).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['x: ', 'zip archive'],
    });
    await expect(parseNpz(zipSync({ 'a.txt': Uint8Array.of(1) }), 'x')).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['a.txt', '.npy'],
    });
    const path = join(await mkdtemp(join(tmpdir(), 'dm-npz-')), 'x.npz');
    await writeNpz(path, { pictures: { shape: [1, 1, 1], data: Uint8Array.of(1) } });
    await expect(openDataset(path)).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['images, x, arr_0', 'has: pictures'],
    });
    await writeNpz(path, { x: { shape: [1, 1, 1], data: Float32Array.of(1) } });
    await expect(openDataset(path)).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['x is Float32Array', '[1, 1, 1]'],
    });
    await writeNpz(path, {
      x: { shape: [1, 1, 1], data: Uint8Array.of(1) },
      y: { shape: [2], data: Int32Array.of(0, 0) },
    });
    await expect(openDataset(path)).rejects.toThrowWith({
      code: 'DATA_INVALID',
      contains: ['y is [2]', 'expected [1]'],
    });
  });

  it('notices a changed byte by its CRC-32', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'dm-npz-')), 'x.npz');
    await writeNpz(path, { x: { shape: [4], data: Uint8Array.of(1, 2, 3, 4) } });
    const bytes = await readFile(path);
    bytes[bytes.indexOf(Uint8Array.of(1, 2, 3, 4)) + 1]! ^= 1;
    await expect(parseNpz(bytes, 'x')).rejects.toThrowWith({
      code: 'DATA_CORRUPT',
      contains: ['x/x.npy: damaged', 'CRC-32'],
    });
  });

  it('labels may be bool, images may not', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dm-bool-'));
    const [npz, npy] = [join(folder, 'x.npz'), join(folder, 'x.npy')];
    const images = { shape: [2, 1, 1], data: Uint8Array.of(1, 0) };
    await writeNpz(npz, { images, labels: { shape: [2], data: Uint8Array.of(1, 0), isBool: true } });
    const set = await openDataset(npz);
    expect([...(await set.read([0, 1])).labels!]).toEqual([1, 0]);
    await writeNpz(npz, { images: { ...images, isBool: true } });
    await expect(openDataset(npz)).rejects.toThrowWith({ code: 'DATA_INVALID', contains: 'bool' });
    await writeNpy(npy, { ...images, isBool: true });
    await expect(openDataset(npy)).rejects.toThrowWith({ code: 'DATA_INVALID', contains: 'bool' });
  });

  it('refuses labels that are no class numbers', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'dm-npz-')), 'x.npz');
    const x = { shape: [2, 1, 1], data: Uint8Array.of(1, 2) };
    for (const label of [0.5, -1, 2 ** 40, NaN]) {
      await writeNpz(path, { x, y: { shape: [2], data: Float64Array.of(0, label) } });
      await expect(openDataset(path)).rejects.toThrowWith({
        code: 'DATA_INVALID',
        contains: `y: label ${label} of image 1`,
      });
    }
  });
});

describe('a .npy of images', () => {
  it('is read by position, and refused if it is not uint8 with channels last', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'dm-npy-')), 'x.npy');
    await writeNpy(path, { shape: [3, 1, 2], data: Uint8Array.of(1, 2, 3, 4, 5, 6) });
    const set = await openDataset(path);
    expect([set.length, set.shape, set.classes]).toEqual([3, [1, 2, 1], []]);
    expect(await set.read([2, 0])).toEqual({ images: Uint8Array.of(5, 6, 1, 2) });
    const inMemory = createMemoryDataset({ name: 'x', images: Uint8Array.of(1, 2, 3, 4, 5, 6), shape: [1, 2, 1] });
    expect(await set.hash()).toBe(await inMemory.hash());
    await writeFile(path, (await readFile(path)).subarray(0, -1));
    await expect(openDataset(path)).rejects.toThrowWith({
      code: 'DATA_CORRUPT',
      contains: ['x.npy', '6 bytes', '5 follow'],
    });
    for (const [array, code, contains] of [
      [{ shape: [1, 1, 1], data: Float32Array.of(1) }, 'DATA_INVALID', ['Float32Array', '[1, 1, 1]']],
      [{ shape: [1, 3, 2, 2], data: new Uint8Array(12) }, 'DATA_INVALID', ['[1, 3, 2, 2]']],
      [{ shape: [0, 2, 2], data: new Uint8Array(0) }, 'DATA_EMPTY', ['[0, 2, 2]']],
    ] as const) {
      await writeNpy(path, array);
      await expect(openDataset(path)).rejects.toThrowWith({ code, contains });
    }
    await writeFile(path, 'no array');
    await expect(openDataset(path)).rejects.toThrowWith({ code: 'DATA_INVALID', contains: ['x.npy: not a'] });
  });
});
