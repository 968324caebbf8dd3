// Several ranks within this process: that they train as one process does.
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PartialConfig } from '../config/schema.js';
import { readMetrics } from '../run/metrics.js';
import { checkpointFiles, rankConfig, reproducibleLog, trainedOn } from '../testing/ranks.js';
import { tinyFolder } from '../testing/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('two ranks', () => {
  it.each<[string, PartialConfig]>([
    ['AdamW with clipping', { optimizer: { type: 'adamW', maxGradNorm: 0.01 } }],
    ['SGD', { optimizer: { type: 'sgd' } }],
    ['a learned uncertainty, dropout, flips', { uncertainty: { lr: 0.01 }, flip: true, conditional: true }],
    ['a curriculum that learns from the losses', { curriculum: { type: 'lossSecondMoment' } }],
    [
      'InfoNoise, normalized loss weights, the nearest of four noises',
      {
        curriculum: { type: 'infoNoise', bins: 2 },
        lossWeighting: { type: 'minSnr' },
        noiseCandidates: 4,
        diffusion: { prediction: { type: 'v' } },
      },
    ],
  ])('train as one process with two micro-batches, to the bit: %s', async (_, part) => {
    const together = await trainedOn(2, rankConfig(folder, 'together', part));
    const [one] = await trainedOn(1, rankConfig(folder, 'alone', { ...part, gradientAccumulation: 2 }));
    expect(together[1]).toEqual(together[0]);
    expect(checkpointFiles(together[0]!.checkpoint)).toEqual(checkpointFiles(one!.checkpoint));
    expect(reproducibleLog(together[0]!.out)).toEqual(reproducibleLog(one!.out));
  });

  it('share samples, evaluations and probes, and resume at another number of ranks', async () => {
    const part: PartialConfig = {
      samples: 3,
      evaluation: { every: 2, samples: 6, extractor: { type: 'pixels' }, metrics: ['fid'] },
      probe: { every: 2, buckets: 3, images: 4 },
    };
    const [one] = await trainedOn(1, rankConfig(folder, 'alone', { ...part, gradientAccumulation: 2 }));
    const stopped = { ...part, budgets: { steps: 2 } };
    await trainedOn(2, rankConfig(folder, 'together', stopped));
    const [resumed] = await trainedOn(
      1,
      { out: join(folder, 'together'), budgets: { steps: null }, gradientAccumulation: 2 },
      () => ({
        resume: true,
      }),
    );
    expect(checkpointFiles(resumed!.checkpoint)).toEqual(checkpointFiles(one!.checkpoint));
    expect(statSync(resumed!.samples!).size).toBeGreaterThan(0);
    const evaluations = (out: string) =>
      readMetrics(join(out, 'metrics.jsonl')).flatMap(({ eval: values = {} }) => Object.values(values));
    const [expected, found] = [evaluations(one!.out), evaluations(resumed!.out)];
    expect(found).toHaveLength(2);
    expect(found).toBeAllClose(expected, { rtol: 1e-3 });
    const difficulty = (out: string) => readFileSync(join(out, 'difficulty.jsonl'), 'utf8').trim().split('\n').slice(1);
    expect(difficulty(resumed!.out)).toHaveLength(difficulty(one!.out).length);
  });
});

it('four ranks train as one process up to rounding', async () => {
  const [four] = await trainedOn(4, rankConfig(folder, 'together', {}));
  const [one] = await trainedOn(1, rankConfig(folder, 'alone', {}));
  const losses = (out: string) => readMetrics(join(out, 'metrics.jsonl')).map(({ loss }) => loss);
  expect(losses(four!.out)).toBeAllClose(losses(one!.out), { rtol: 1e-5 });
});
