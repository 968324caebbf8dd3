// Several ranks within this process: how they stop and fail together.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { localWorlds, type World } from '@dm/mpi';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { latestCheckpoint } from '../checkpoint/checkpoint-folder.js';
import { UserError } from '../errors.js';
import { rankConfig, trainedOn, trainOn } from '../testing/ranks.js';
import { tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { isSharedError } from './world-group.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('all ranks stop together when one of them receives the request', async () => {
  const stop = new AbortController();
  stop.abort();
  const results = await trainedOn(2, rankConfig(folder, 'run', {}), (world) =>
    world.rank === 1 ? { signal: stop.signal } : {},
  );
  expect(results.map(({ status, step }) => [status, step])).toEqual([
    ['stopped', 1],
    ['stopped', 1],
  ]);
});

describe('an error of one rank', () => {
  it('ends all of them, and names the rank', async () => {
    // The other rank has another configuration of its engine.
    const worlds = localWorlds(2);
    const config = rankConfig(folder, 'run', {});
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
    const [first] = await trainOn(3, rankConfig(folder, 'run', {}));
    expect(() => {
      throw (first as PromiseRejectedResult).reason;
    }).toThrowWith({ type: UserError, code: 'CONFIG_INVALID', contains: ['3 ranks', 'batchSize 8', '6 and 9'] });
    expect(readdirSync(folder)).not.toContain('run');
  });
});

it('an error of one rank during a step saves the last complete one', async () => {
  const worlds = localWorlds(2).map((world): World => {
    let isFailing = false;
    return {
      ...world,
      describe: (activity) => void (isFailing = world.rank === 1 && activity === 'step 3'),
      gather: (bytes, options) =>
        world.gather(
          isFailing ? serialize({ error: { name: 'Error', message: 'a broken engine', stack: '' } }) : bytes,
          options,
        ),
    };
  });
  const config = rankConfig(folder, 'run', { checkpoints: { every: 100, keepLast: 9 } });
  const results = await Promise.allSettled(worlds.map((world) => train(config, { world })));
  expect((results[0] as PromiseRejectedResult).reason).toMatchObject({
    message: expect.stringMatching(/rank 1 .*a broken engine/) as string,
  });
  expect(latestCheckpoint(join(folder, 'run', 'checkpoints')).checkpoint?.manifest.step).toBe(2);
});

it('options that contradict each other are an error that all ranks share', async () => {
  const results = await trainOn(2, rankConfig(folder, 'run', {}), () => ({ resume: true, overwrite: true }));
  for (const result of results) {
    const { reason } = result as PromiseRejectedResult;
    expect(reason).toMatchObject({ code: 'OPTION_INVALID' });
    expect(isSharedError(reason)).toBe(true);
  }
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
    spoiled.map((world) => train(rankConfig(folder, 'run', { optimizer: { type: 'sgd' } }), { world })),
  );
  for (const result of results) {
    const contains = ['params at step 2', 'rank 0', 'rank 1'];
    expect(() => {
      throw (result as PromiseRejectedResult).reason;
    }).toThrowWith({ type: UserError, code: 'RANKS_DIFFER', contains });
  }
});
