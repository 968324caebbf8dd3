import { describe, expect, it } from 'vitest';
import { MpiError } from './errors.js';
import { localWorlds } from './local-worlds.js';
import { worldOfOne, type World } from './world.js';

const onAll = <T>(worlds: readonly World[], body: (world: World) => Promise<T>): Promise<T[]> =>
  Promise.all(worlds.map(body));

describe.each([
  ['worldOfOne', [worldOfOne()]],
  ['localWorlds(1)', localWorlds(1)],
  ['localWorlds(3)', localWorlds(3)],
])('%s', (_, worlds) => {
  const { size } = worlds[0]!;
  const ranks = Array.from({ length: size }, (__, rank) => rank);

  it('sums and compares in place', async () => {
    await onAll(worlds, async (world) => {
      const sums = Float32Array.of(world.rank, 1);
      await world.sum(sums);
      expect([...sums]).toEqual([(size * (size - 1)) / 2, size]);
      const most = Int32Array.of(world.rank, -world.rank);
      await world.max(most);
      expect([...most]).toEqual([size - 1, 0]);
    });
  });

  it('gathers arrays of different lengths, on all ranks or one', async () => {
    await onAll(worlds, async (world) => {
      const own = new Uint8Array(world.rank).fill(world.rank);
      const expected = ranks.map((rank) => new Uint8Array(rank).fill(rank));
      expect(await world.gather(own)).toEqual(expected);
      expect(await world.gather(own, { to: 0 })).toEqual(world.rank === 0 ? expected : []);
    });
  });

  it('broadcasts', async () => {
    await onAll(worlds, async (world) => {
      const array = Float64Array.of(world.rank + 1);
      await world.broadcast(array, size - 1);
      expect(array[0]).toBe(size);
      await world.barrier();
    });
  });
});

it('localWorlds reports calls that do not match', async () => {
  const [first, second] = localWorlds(2) as [World, World];
  const waiting = first.barrier();
  const error = { type: MpiError, code: 'MPI_BUSY', contains: ['sum', 'barrier'] };
  await expect(second.sum(Float32Array.of(1))).rejects.toThrowWith(error);
  await expect(waiting).rejects.toThrowWith(error);
});

it('localWorlds refuses a size that is not a positive integer', () => {
  for (const size of [0, -1, 1.5, NaN]) expect(() => localWorlds(size)).toThrow(RangeError);
});
