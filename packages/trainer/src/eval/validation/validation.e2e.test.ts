import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMetrics } from '../../run/metrics.js';
import type { ValidationLoss } from './validator.js';
import { dm, dmJson } from '../../testing/command.js';
import { tinyArguments, tinyFolder } from '../../testing/tiny.js';

let folder: string;
let out: string;
let data: string;
beforeAll(async () => {
  folder = await tinyFolder();
  [out, data] = [join(folder, 'run'), join(folder, 'data.npz')];
  await dmJson(
    tinyArguments(folder, 4, out, '--hold-out', '0.3', '--validate-every', '2', '--set', 'validation.images=6'),
    folder,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('dm eval bound', () => {
  it.each(['data', 'run'])('measures the bounds of a %s', async (kind) => {
    const args = kind === 'run' ? [out] : [data, '--hold-out', '0.3', '--engine', 'tfjs-cpu'];
    const events = await dmJson(['eval', 'bound', ...args, '--images', '6'], folder);
    const result = events.at(-1) as {
      setting: { images: number };
      wiener: { geometricMean: number; buckets: (number | null)[] };
      posteriorMean: { buckets: (number | null)[] };
    };
    expect(result.setting.images).toBeLessThanOrEqual(6);
    expect(result.wiener.geometricMean).toBeGreaterThan(0);
    expect(result.wiener.buckets).toHaveLength(10);
    expect(result.posteriorMean.buckets).toHaveLength(10);
  });

  it('refuses a number that is none', async () => {
    const { code, stderr } = await dm(['eval', 'bound', data, '--draws', 'many'], folder);
    expect(code).toBe(1);
    expect(stderr).toContain('--draws');
  });
});

describe('dm eval validation', () => {
  it('measures the loss that was logged during training', async () => {
    const logged = readMetrics(join(out, 'metrics.jsonl')).findLast(({ validation }) => validation !== undefined)!;
    const [own] = await dmJson(['eval', 'validation', out], folder);
    const measured = own as { setting: { images: number }; loss: ValidationLoss };
    expect(measured.setting.images).toBe(6);
    expect(measured.loss.geometricMean).toBeCloseTo((logged.validation as ValidationLoss).geometricMean, 3);
    const [other] = await dmJson(
      ['eval', 'validation', out, '--data', data, '--weights', 'raw', '--images', '9'],
      folder,
    );
    expect((other as typeof measured).setting.images).toBe(9);
    expect((other as typeof measured).loss.geometricMean).not.toBe(measured.loss.geometricMean);
  });

  it('refuses images of another size', async () => {
    const { code, stderr } = await dm(['eval', 'validation', out, '--data', 'mnist'], folder);
    expect(code).toBe(1);
    expect(stderr).toContain('28x28x1');
  });
});

describe('dm eval loss', () => {
  it('lists the images with the largest losses and draws them', async () => {
    const sheet = join(folder, 'worst.png');
    const { code, stdout } = await dm(['eval', 'loss', out, data, '--worst', '4', '--sheet', sheet, '--json'], folder);
    expect(code).toBe(0);
    const { images, worst } = JSON.parse(stdout) as {
      images: number;
      worst: { index: number; label: number; relativeLoss: number }[];
    };
    expect(images).toBe(23);
    expect(worst).toHaveLength(4);
    expect(worst[0]!.relativeLoss).toBeGreaterThan(1);
    expect(worst.map(({ label, index }) => label === index % 2)).toEqual([true, true, true, true]);
    expect(worst.map(({ relativeLoss }) => relativeLoss)).toEqual(
      worst.map(({ relativeLoss }) => relativeLoss).toSorted((a, b) => b - a),
    );
    expect(readFileSync(sheet).subarray(1, 4).toString()).toBe('PNG');
  });

  it('refuses images of another size', async () => {
    const { code, stderr } = await dm(['eval', 'loss', out, 'mnist'], folder);
    expect(code).toBe(1);
    expect(stderr).toContain('28x28x1');
  });
});
