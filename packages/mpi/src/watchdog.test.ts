import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Request } from './functions.js';
import { Watchdog } from './watchdog.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Watchdogs of three ranks connected by queues; `asleep` ranks neither send nor receive. */
function connected(seconds: number) {
  const queues = new Map<string, Uint8Array[]>();
  const queue = (from: number, to: number) => {
    const key = `${from} ${to}`;
    return queues.get(key) ?? queues.set(key, []).get(key)!;
  };
  const asleep = new Set<number>();
  const lost: number[][] = [[], [], []];
  const dogs = [0, 1, 2].map(
    (rank) =>
      new Watchdog({
        mpi: {
          startSend(bytes, to) {
            queue(rank, to).push(bytes);
            return new BigUint64Array(1) as Request;
          },
          receive: (_, from) => (asleep.has(rank) ? undefined : queue(from, rank).shift()),
          test: () => true,
        },
        rank,
        size: 3,
        seconds,
        onLost: (ranks) => lost[rank]!.push(...ranks),
      }),
  );
  return { dogs, lost, asleep, stop: () => dogs.forEach((dog) => dog.stop()) };
}

it('names the ranks that do not answer, once', () => {
  const { dogs, lost, asleep, stop } = connected(8);
  asleep.add(2);
  dogs[0]!.waiting(true);
  vi.advanceTimersByTime(7000);
  expect(lost[0]).toEqual([]);
  vi.advanceTimersByTime(9000);
  expect(lost).toEqual([[2], [], []]);
  stop();
});

it('waits for ranks that are busy but answer', () => {
  const { dogs, lost, stop } = connected(8);
  dogs[0]!.waiting(true);
  dogs[2]!.waiting(true);
  vi.advanceTimersByTime(3_600_000);
  expect(lost).toEqual([[], [], []]);
  stop();
});

it('waits longer for a rank that has announced work, until that is done', () => {
  const { dogs, lost, asleep, stop } = connected(8);
  dogs[2]!.working(true);
  asleep.add(2);
  dogs[0]!.waiting(true);
  vi.advanceTimersByTime(200_000);
  expect(lost[0]).toEqual([]);
  vi.advanceTimersByTime(100_000);
  expect(lost[0]).toEqual([2]);
  asleep.delete(2);
  dogs[2]!.working(false);
  dogs[1]!.waiting(true);
  vi.advanceTimersByTime(8000);
  asleep.add(2);
  vi.advanceTimersByTime(16_000);
  expect(lost[1]).toEqual([2]);
  stop();
});

it('asks nobody while it does not wait', () => {
  const { dogs, lost, asleep, stop } = connected(8);
  asleep.add(1);
  vi.advanceTimersByTime(100_000);
  dogs[0]!.waiting(true);
  vi.advanceTimersByTime(7000);
  dogs[0]!.waiting(false);
  vi.advanceTimersByTime(100_000);
  expect(lost).toEqual([[], [], []]);
  stop();
});
