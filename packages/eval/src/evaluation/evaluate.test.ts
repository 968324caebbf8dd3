import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readNpz, writeNpz } from '@dm/data';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkMetrics, checkSets, evaluate, requiredFeatures } from './evaluate.js';
import { extractFeatures } from './extract-features.js';
import type { FeatureExtractor } from '../extractors/feature-extractor.js';
import { featureStatistics } from '../metrics/statistics.js';
import { cachedStatistics, readStatistics, statisticsPath, writeStatistics } from './statistics-file.js';
import { createArraySource } from '../sources/array-source.js';
import { fakeExtractor } from '../testing/fake-extractor.js';

/** `count` images of 4x4 gray bytes. */
function images(name: string, count: number, shift: number) {
  const data = Uint8Array.from({ length: count * 16 }, (_, i) => 100 + shift + 60 * Math.sin(i * i * 0.7 + shift));
  return createArraySource(name, { shape: [count, 4, 4], data });
}

const keep = { keepFeatures: true };

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'dm-statistics-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

describe('extractFeatures', () => {
  it('gives the same statistics at every batch size, and keeps features only when asked', async () => {
    const progress: number[][] = [];
    const whole = await extractFeatures(images('a', 20, 0), fakeExtractor(), { batchSize: 20, ...keep });
    const parts = await extractFeatures(images('a', 20, 0), fakeExtractor(), {
      batchSize: 7,
      onProgress: (...now) => progress.push(now),
    });
    expect(progress).toEqual([
      [7, 20],
      [14, 20],
      [20, 20],
    ]);
    expect(parts.features).toBeUndefined();
    expect(parts.count).toBe(20);
    whole.statistics.covariance.forEach((value, i) => expect(parts.statistics.covariance[i]).toBeCloseTo(value, 8));
    expect(whole.statistics).toEqual(featureStatistics(whole.features!));
  });

  it('reports how many images were used if bad ones are skipped, and fails if too few remain', async () => {
    const data = Float32Array.from({ length: 5 * 16 }, (_, i) => Math.sin(i));
    data[20] = NaN;
    const set = (count: number) =>
      createArraySource('x', { shape: [count, 4, 4], data: data.subarray(0, count * 16) }, { skipBad: true });
    const { count, notes } = await extractFeatures(set(5), fakeExtractor());
    expect(count).toBe(4);
    expect(notes).toEqual([expect.stringMatching(/^x: 4 .* 1 /), expect.stringMatching(/^x: image 1 .*NaN/)]);
    await expect(extractFeatures(set(2), fakeExtractor())).rejects.toThrowWith({
      code: 'SET_TOO_SMALL',
      contains: ['x: 1'],
    });
  });
});

describe('evaluate', () => {
  const both = async (extractor: FeatureExtractor = fakeExtractor()) => [
    await extractFeatures(images('a', 40, 9), extractor, keep),
    await extractFeatures(images('b', 50, 0), extractor, keep),
  ];

  it('gives every number a name with its extractor, and says what it may be compared with', async () => {
    const [a, b] = await both();
    const report = evaluate(a!, b!, { metrics: ['fid', 'fid-infinity', 'kid', 'pr', 'dc'] });
    expect(report.results.map(({ label }) => label)).toEqual([
      'FD-fake',
      'FD-fake-infinity',
      'KD-fake',
      'precision',
      'recall',
      'density',
      'coverage',
    ]);
    expect(report.results[2]).toMatchObject({
      std: expect.any(Number) as number,
      detail: { subsets: 100, subsetSize: 40 },
    });
    expect(report.comparable).toMatch(/^Not comparable .* extractor fake\./);
    expect(report.generated).toMatchObject({ name: 'a', count: 40, shape: [4, 4, 1] });
    expect(report.extractor).toEqual({
      name: 'fake',
      weightsSha256: 'f'.repeat(64),
      resize: 'none',
      dimensions: 3,
      comparable: false,
    });
  });

  it('calls a number FID only if the extractor is comparable', async () => {
    const [a, b] = await both(fakeExtractor({ name: 'inception', comparable: true }));
    const report = evaluate(a!, b!);
    expect(report.results.map(({ label }) => label)).toEqual(['FID', 'KID']);
    expect(report.comparable).toContain('are 40.');
  });

  it('is 0 for identical sets, and all of one set lies in the other', async () => {
    const [a] = await both();
    const { results, warnings } = evaluate(a!, a!, { metrics: ['fid', 'kid', 'pr', 'dc'] });
    // One subset of all images has no deviation.
    expect(results[1]).toEqual({
      label: 'KD-fake',
      value: expect.any(Number) as number,
      better: 'lower',
      detail: { subsets: 1, subsetSize: 40 },
    });
    const value = Object.fromEntries(results.map((result) => [result.label, result.value]));
    expect(value['FD-fake']).toBeLessThan(1e-6);
    expect([value['precision'], value['recall'], value['coverage']]).toEqual([1, 1, 1]);
    // The unbiased estimate leaves the pairs i = i out, which here are in the mixed term: below 0, and said.
    expect(value['KD-fake']).toBeLessThan(0);
    expect(warnings).toContainEqual(expect.stringMatching(/^KD-fake is -/));
  });

  it('refuses unknown metrics, and batches without images', async () => {
    const [a, b] = await both();
    const metrics = ['FID' as 'fid'];
    const expected = { type: RangeError, contains: ['metric', 'fid, ', '"FID"'] };
    expect(() => evaluate(a!, b!, { metrics })).toThrowWith(expected);
    expect(() => requiredFeatures(metrics)).toThrowWith(expected);
    expect(() => checkMetrics(metrics, fakeExtractor())).toThrowWith(expected);
    for (const batchSize of [0, -1, NaN]) {
      await expect(extractFeatures(images('a', 4, 0), fakeExtractor(), { batchSize })).rejects.toThrowWith({
        type: RangeError,
        contains: ['batchSize', '>= 1', `got ${batchSize}`],
      });
    }
  });

  it('refuses sFID and IS by name if the extractor does not provide their features', async () => {
    const [a, b] = await both();
    expect(() => evaluate(a!, b!, { metrics: ['sfid'] })).toThrowWith({
      code: 'FEATURES_MISSING',
      contains: ['sfid', 'spatial features', 'extractor fake'],
    });
    expect(() => evaluate(a!, b!, { metrics: ['is'] })).toThrowWith({
      code: 'FEATURES_MISSING',
      contains: ['is needs logits', 'extractor fake'],
    });
    expect(() => checkMetrics(['fid', 'sfid'], fakeExtractor())).toThrowWith({
      code: 'FEATURES_MISSING',
      contains: ['sfid', 'spatial features'],
    });
    expect(() => checkMetrics(['is'], fakeExtractor())).toThrowWith({
      code: 'FEATURES_MISSING',
      contains: ['is needs logits'],
    });
    checkMetrics(['is', 'sfid', 'kid'], fakeExtractor({ hasLogits: true, hasSpatial: true }));
    await expect(extractFeatures(images('a', 4, 0), fakeExtractor(), { keepLogits: true })).rejects.toThrowWith({
      code: 'FEATURES_MISSING',
      contains: ['extractor fake', 'logits'],
    });
  });

  it('measures sFID and IS if the extractor provides their features', async () => {
    const plain = fakeExtractor();
    const extractor = fakeExtractor({
      hasLogits: true,
      features: async (batch) => {
        const { features } = await plain.features(batch);
        return { features, logits: features, spatial: features.map((value) => 2 * value) };
      },
    });
    const [a, b] = await Promise.all(
      [images('a', 40, 9), images('b', 50, 0)].map((source) =>
        extractFeatures(source, extractor, { keepFeatures: true, keepLogits: true }),
      ),
    );
    const { results } = evaluate(a!, b!, { metrics: ['fid', 'sfid', 'is'] });
    expect(results.map(({ label }) => label)).toEqual(['FD-fake', 'sFD-fake', 'IS-fake']);
    // Twice the features: four times the squared distance.
    expect(results[1]!.value / results[0]!.value).toBeCloseTo(4, 6);
    expect(results[2]!.value).toBeGreaterThanOrEqual(1);
  });

  it('refuses other extractors, other sizes and sets whose features were not kept', async () => {
    const [a, b] = await both();
    const other = await extractFeatures(images('b', 50, 0), fakeExtractor({ weightsSha256: '0'.repeat(64) }));
    expect(() => evaluate(a!, other)).toThrowWith({
      code: 'EXTRACTOR_MISMATCH',
      contains: ['a and b', 'weightsSha256 ffff', 'and 0000'],
    });
    const wide = createArraySource('wide', { shape: [3, 4, 2], data: new Uint8Array(24) });
    const set = await extractFeatures(wide, fakeExtractor(), keep);
    expect(() => evaluate(set, b!)).toThrowWith({ code: 'SETS_MISMATCH', contains: ['wide', '4x2x1', 'b of 4x4x1'] });
    const color = { ...a!, name: 'c', shape: [4, 4, 3] as const };
    expect(evaluate(color, b!).warnings[0]).toMatch(/^b is gray\b.* c /);
    const bare = await extractFeatures(images('b', 50, 0), fakeExtractor());
    expect(() => evaluate(a!, bare)).toThrowWith({ code: 'FEATURES_MISSING', contains: ['kid', 'b'] });
    expect(requiredFeatures(['fid', 'is'])).toEqual({
      generated: { keepFeatures: false, keepLogits: true },
      reference: { keepFeatures: false },
    });
  });

  it('refuses sets before their features are extracted', async () => {
    const extractor = fakeExtractor();
    const source = images('a', 40, 9);
    const [kept, bare] = await Promise.all(
      [true, false].map((keepFeatures) => extractFeatures(images('b', 50, 0), extractor, { keepFeatures })),
    );
    checkSets(source, kept!, extractor, ['fid', 'kid']);
    checkSets(source, bare!, extractor, ['fid']);
    const lacking = { code: 'FEATURES_MISSING', contains: ['kid', 'b'] };
    expect(() => checkSets(source, bare!, extractor, ['fid', 'kid'])).toThrowWith(lacking);
    expect(() => checkSets(bare!, source, extractor, ['kid'])).toThrowWith(lacking);
    const wide = createArraySource('wide', { shape: [3, 4, 2], data: new Uint8Array(24) });
    expect(() => checkSets(source, wide, extractor, [])).toThrowWith({
      code: 'SETS_MISMATCH',
      contains: ['a', '4x4x1', 'wide of 4x2x1'],
    });
    const color = createArraySource('color', { shape: [3, 4, 4, 3], data: new Uint8Array(144) });
    expect(() => checkSets(source, color, fakeExtractor({ imageShape: [4, 4, 1] }), [])).toThrowWith({
      code: 'IMAGES_UNSUPPORTED',
      contains: ['4x4x1', '4x4x3'],
    });
  });

  it('warns of fewer images than dimensions, naming both, and of constant images', async () => {
    const few = await extractFeatures(images('few', 3, 1), fakeExtractor());
    const flat = createArraySource('flat', { shape: [5, 4, 4], data: new Uint8Array(80).fill(9) });
    const { warnings } = evaluate(few, await extractFeatures(flat, fakeExtractor()), { metrics: ['fid'] });
    expect(warnings).toEqual([
      expect.stringMatching(/covariance of 5 .* zero/),
      expect.stringMatching(/^3 images for 3 /),
    ]);
  });
});

describe('statistics on the disk', () => {
  it('come back as they were, found by images and extractor', async () => {
    const dir = folder();
    const set = await extractFeatures(images('a', 20, 0), fakeExtractor(), keep);
    const path = statisticsPath(dir, set.sha256!, set.extractor);
    await writeStatistics(path, set);
    expect(await readStatistics(path)).toEqual(set);
    expect(await cachedStatistics(dir, set.sha256!, set.extractor, { needsFeatures: true })).toEqual(set);
    expect(Object.keys(await readNpz(path))).toEqual(['mu', 'sigma', 'features', 'metadata']);
    expect(await cachedStatistics(dir, '0'.repeat(64), set.extractor)).toBeUndefined();
    expect(await cachedStatistics(dir, set.sha256!, { ...set.extractor, resize: 'other' })).toBeUndefined();
    const bare = await extractFeatures(images('a', 20, 0), fakeExtractor());
    await writeStatistics(path, bare);
    expect(await cachedStatistics(dir, set.sha256!, set.extractor)).toEqual(bare);
    expect(await cachedStatistics(dir, set.sha256!, set.extractor, { needsFeatures: true })).toBeUndefined();
  });

  it('are refused when damaged, and made again', async () => {
    const dir = folder();
    const set = await extractFeatures(images('a', 20, 0), fakeExtractor());
    const path = statisticsPath(dir, set.sha256!, set.extractor);
    await writeStatistics(path, set);
    const good = readFileSync(path);
    const bytes = Uint8Array.from(good);
    const at = good.indexOf(Buffer.from(set.statistics.mean.buffer));
    bytes[at + 6]! ^= 1;
    writeFileSync(path, bytes);
    await expect(readStatistics(path)).rejects.toThrowWith({ code: 'DATA_CORRUPT', contains: ['mu.npy', 'CRC-32'] });
    // A sound archive of other numbers is not what was written either.
    writeFileSync(path, good);
    const arrays = await readNpz(path);
    await writeNpz(path, { ...arrays, mu: { ...arrays['mu']!, data: set.statistics.mean.map((value) => value + 1) } });
    await expect(readStatistics(path)).rejects.toThrowWith({
      code: 'STATISTICS_INVALID',
      contains: [`${path} is damaged: mu`],
    });
    const notes: string[] = [];
    const onNote = (text: string) => void notes.push(text);
    expect(await cachedStatistics(dir, set.sha256!, set.extractor, { onNote })).toBeUndefined();
    expect(notes[0]).toContain(`${path} is damaged: mu`);
    writeFileSync(path, good.subarray(0, 300));
    await expect(readStatistics(path)).rejects.toThrowWith({ code: 'DATA_INVALID', contains: path });
  });

  it('are refused when the metadata say something impossible, by the name of the field', async () => {
    const dir = folder();
    const set = await extractFeatures(images('a', 20, 0), fakeExtractor(), keep);
    const path = join(dir, 'a.npz');
    await writeStatistics(path, set);
    const arrays = await readNpz(path);
    const good = JSON.parse(new TextDecoder().decode(arrays['metadata']!.data)) as object;
    const refused = async (text: string, field: string) => {
      const data = new TextEncoder().encode(text);
      await writeNpz(path, { ...arrays, metadata: { shape: [data.length], data } });
      await expect(readStatistics(path), text.slice(0, 60)).rejects.toMatchObject({
        name: 'EvalError',
        code: 'STATISTICS_INVALID',
        message: expect.stringMatching(new RegExp(`a\\.npz is damaged: .*${field}`)) as string,
      });
    };
    for (const text of ['null', '1', '[]', '"x"', '{}']) await refused(text, 'format');
    await refused('['.repeat(100_000), 'metadata');
    const wrong: Readonly<Record<string, readonly unknown[]>> = {
      name: [null, 1],
      sha256: [null, {}],
      count: [null, 1, 19.5, -3, '20', 2 ** 60],
      shape: [null, [4, 4], [4, 4, 0], [4, 4, 0.5], '441'],
      extractor: [null, [], { ...set.extractor, dimensions: 1.5 }, { ...set.extractor, name: null }],
      notes: [null, 'x', [1]],
    };
    for (const [field, values] of Object.entries(wrong)) {
      for (const value of values) await refused(JSON.stringify({ ...good, [field]: value }), field);
    }
    await refused(JSON.stringify({ ...good, count: 0 }).replace('"count":0', '"count":1e999'), 'count');
    for (const value of [null, {}, [], { mu: 1 }])
      await refused(JSON.stringify({ ...good, arrays: value }), '(arrays|mu)');
    // Honest hashes of arrays that contradict the rest.
    await refused(JSON.stringify({ ...good, count: 19 }), 'features');
    await refused(JSON.stringify({ ...good, extractor: { ...set.extractor, dimensions: 2 } }), 'mu and sigma');
  });

  it('are refused when made by another extractor or by who does not say which', async () => {
    const dir = folder();
    const set = await extractFeatures(images('a', 20, 0), fakeExtractor());
    const path = join(dir, 'a.npz');
    await writeStatistics(path, set);
    await expect(readStatistics(path, { ...set.extractor, name: 'inception' })).rejects.toThrowWith({
      code: 'EXTRACTOR_MISMATCH',
      contains: ['name fake and inception'],
    });
    const { mean, covariance } = set.statistics;
    await writeNpz(path, { mu: { shape: [3], data: mean }, sigma: { shape: [3, 3], data: covariance } });
    await expect(readStatistics(path)).rejects.toThrowWith({
      code: 'STATISTICS_INVALID',
      contains: [`${path} has no metadata`],
    });
    const { sha256: _, ...nameless } = set;
    await expect(writeStatistics(path, nameless)).rejects.toThrowWith({
      type: RangeError,
      contains: ['a has no hash'],
    });
  });
});
