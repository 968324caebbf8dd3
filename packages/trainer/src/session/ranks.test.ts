// Several ranks within this process: what they train, and how they fail together.
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { localWorlds, type World } from '@dm/mpi';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PartialConfig } from '../config/schema.js';
import { UserError } from '../errors.js';
import { readMetrics, withoutMeasurements } from '../run/metrics.js';
import { tinyConfig, tinyDit, tinyFolder } from '../testing/tiny.js';
import { train, type TrainOptions, type TrainResult } from '../train.js';
import { isSharedError } from './world-group.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function configOf(name: string, part: PartialConfig): PartialConfig {
  return {
    ...tinyConfig(folder, 4),
    model: { type: 'dit', ...tinyDit },
    batchSize: 8,
    logEvery: 1,
    checkpoints: { every: 2, keepLast: 9 },
    ...part,
    out: join(folder, name),
  };
}

/** Trains with `size` ranks. `options` may differ by rank. */
function trainOn(
  size: number,
  config: PartialConfig,
  options: (world: World) => TrainOptions = () => ({}),
): Promise<PromiseSettledResult<TrainResult>[]> {
  return Promise.allSettled(localWorlds(size).map((world) => train(config, { ...options(world), world })));
}

async function succeed(size: number, config: PartialConfig, options?: (world: World) => TrainOptions) {
  const results = await trainOn(size, config, options);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/** The files of a checkpoint, by name. The manifest has times, so it is left out. */
function filesOf(checkpoint: string): Record<string, Buffer> {
  const names = readdirSync(checkpoint).filter((name) => name !== 'manifest.json');
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(checkpoint, name))]));
}

const logOf = (out: string) => readMetrics(join(out, 'metrics.jsonl')).map(withoutMeasurements);

describe('two ranks', () => {
  it.each<[string, PartialConfig]>([
    ['AdamW with clipping', { optimizer: { type: 'adamW', maxGradNorm: 0.01 } }],
    ['SGD', { optimizer: { type: 'sgd' } }],
    ['a learned uncertainty, dropout, flips', { uncertainty: { lr: 0.01 }, flip: true, conditional: true }],
    ['a curriculum that learns from the losses', { curriculum: { type: 'lossSecondMoment' } }],
  ])('train as one process with two micro-batches, to the bit: %s', async (_, part) => {
    const together = await succeed(2, configOf('together', part));
    const [one] = await succeed(1, configOf('alone', { ...part, gradientAccumulation: 2 }));
    expect(together[1]).toEqual(together[0]);
    expect(filesOf(together[0]!.checkpoint)).toEqual(filesOf(one!.checkpoint));
    expect(logOf(together[0]!.out)).toEqual(logOf(one!.out));
  });

  it('share samples, evaluations and probes, and resume at another number of ranks', async () => {
    const part: PartialConfig = {
      samples: 3,
      evaluation: { every: 2, samples: 6, extractor: { type: 'pixels' }, metrics: ['fid'] },
      probe: { every: 2, buckets: 3, images: 4 },
    };
    const [one] = await succeed(1, configOf('alone', { ...part, gradientAccumulation: 2 }));
    const stopped = { ...part, budgets: { steps: 2 } };
    await succeed(2, configOf('together', stopped));
    const [resumed] = await succeed(
      1,
      { out: join(folder, 'together'), budgets: { steps: null }, gradientAccumulation: 2 },
      () => ({
        resume: true,
      }),
    );
    expect(filesOf(resumed!.checkpoint)).toEqual(filesOf(one!.checkpoint));
    expect(statSync(resumed!.samples!).size).toBeGreaterThan(0);
    const evaluations = (out: string) =>
      readMetrics(join(out, 'metrics.jsonl')).flatMap(({ eval: values = {} }) => Object.values(values));
    const [expected, found] = [evaluations(one!.out), evaluations(resumed!.out)];
    expect(found).toHaveLength(2);
    expect(found).toBeAllClose(expected, { rtol: 1e-3 });
    const difficulty = (out: string) => readFileSync(join(out, 'difficulty.jsonl'), 'utf8').trim().split('\n').slice(1);
    expect(difficulty(resumed!.out)).toHaveLength(difficulty(one!.out).length);
  });

  it('stop together when one of them receives the request', async () => {
    const stop = new AbortController();
    stop.abort();
    const results = await succeed(2, configOf('run', {}), (world) => (world.rank === 1 ? { signal: stop.signal } : {}));
    expect(results.map(({ status, step }) => [status, step])).toEqual([
      ['stopped', 1],
      ['stopped', 1],
    ]);
  });
});

describe('an error of one rank', () => {
  it('ends all of them, and names the rank', async () => {
    // The other rank has another configuration of its engine.
    const worlds = localWorlds(2);
    const config = configOf('run', {});
    const results = await Promise.allSettled(
      worlds.map((world) => train(world.rank === 1 ? { ...config, device: 'webgpu' } : config, { world })),
    );
    for (const result of results) {
      const { reason } = result as PromiseRejectedResult;
      expect(reason).toMatchObject({ code: 'ENGINE_UNSUITABLE' });
      expect(isSharedError(reason)).toBe(true);
    }
    expect((results[0] as PromiseRejectedResult).reason).toMatchObject({ message: expect.stringContaining('rank 1') });
    expect(readdirSync(folder)).not.toContain('run');
  });

  it('before the first step leaves no run, if the batch cannot be divided', async () => {
    const [first] = await trainOn(3, configOf('run', {}));
    expect(() => {
      throw (first as PromiseRejectedResult).reason;
    }).toThrowWith({ type: UserError, code: 'CONFIG_INVALID', contains: ['3 ranks', 'batchSize 8', '6 and 9'] });
    expect(readdirSync(folder)).not.toContain('run');
  });
});

it('weights that differ between ranks are found at the next checkpoint', async () => {
  const worlds = localWorlds(2);
  const spoiled = worlds.map((world): World => {
    let count = 0;
    // Rank 1 receives other sums from step 2 on.
    const sum: World['sum'] = async (array) => {
      await world.sum(array);
      if (world.rank === 1 && ++count === 2) array[0]! += 1;
    };
    return { ...world, sum };
  });
  const results = await Promise.allSettled(
    spoiled.map((world) => train(configOf('run', { optimizer: { type: 'sgd' } }), { world })),
  );
  for (const result of results) {
    expect((result as PromiseRejectedResult).reason).toMatchObject({
      code: 'RANKS_DIFFER',
      message: expect.stringMatching(/params at step 2.*rank 0.*rank 1/),
    });
  }
});

it('four ranks train as one process up to rounding', async () => {
  const [four] = await succeed(4, configOf('together', {}));
  const [one] = await succeed(1, configOf('alone', {}));
  const losses = (out: string) => readMetrics(join(out, 'metrics.jsonl')).map(({ loss }) => loss);
  expect(losses(four!.out)).toBeAllClose(losses(one!.out), { rtol: 1e-5 });
});
