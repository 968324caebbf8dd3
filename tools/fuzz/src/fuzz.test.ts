/**
 * Every reader against damaged files: it reads them or throws its own class of error, comes back, and never reads past
 * the end. `nx run tools:fuzz` takes 100 000 a reader; DM_FUZZ_RUNS and DM_FUZZ_SEED set count and seed.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { outcomeOf } from './outcome.js';
import { openReaders, type Reader } from './readers.js';
import { startWatchdog } from './watchdog.js';

const runs = Number(process.env['DM_FUZZ_RUNS'] ?? 300);
const seed = Number(process.env['DM_FUZZ_SEED'] ?? 20240407);
const readers = await openReaders();
const watchdog = startWatchdog(join(tmpdir(), `dm-fuzz-hangs-on-${process.pid}`));
afterAll(() => watchdog.stop());

describe.each(readers)('$name', (reader) => {
  it(`${runs} damaged inputs`, { timeout: 0 }, async () => {
    const began = performance.now();
    let read = 0;
    const refusals = new Map<string, number>();
    const property = fc.asyncProperty(reader.inputs, async (input) => {
      watchdog.begin(input);
      const outcome = await outcomeOf(reader, input);
      if (outcome.read) read++;
      else {
        // Without what differs from file to file.
        const kind = outcome.text.replaceAll(/"[^"]*"|'[^']*'|\d+/g, '#').slice(0, 60);
        refusals.set(kind, (refusals.get(kind) ?? 0) + 1);
      }
    });
    await fc.assert(property, { numRuns: runs, seed, endOnFailure: true });
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(
      `${reader.name}: ${runs} inputs (seed ${seed}) in ${seconds} s: ${read} read, ${runs - read} refused ` +
        `for ${refusals.size} kinds of reasons`,
    );
    // Inputs that are all refused, or none, would test nothing behind the door.
    expect([read > 0, refusals.size > 0]).toEqual([true, true]);
  });
});

describe('the harness itself', () => {
  const reader = (read: Reader['read']): Reader => ({
    name: 'fake',
    inputs: fc.uint8Array(),
    error: RangeError,
    read,
    inMemory: true,
  });
  const input = Uint8Array.of(1, 2, 3);

  it('sees reading past the end, changed input and foreign errors', async () => {
    const past = reader((bytes) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length + 1));
    await expect(outcomeOf(past, input)).rejects.toThrow('fake read past the end');
    await expect(
      outcomeOf(
        reader((bytes) => bytes.fill(0)),
        input,
      ),
    ).rejects.toThrow('fake changed its input');
    const foreign = reader((bytes) => (bytes as unknown as { x: { y: number } }).x.y);
    await expect(outcomeOf(foreign, input)).rejects.toThrow(/fake threw TypeError: .*, which is not its RangeError/s);
    const own = reader(() => {
      throw new RangeError('no');
    });
    expect(await outcomeOf(own, input)).toEqual({ read: false, text: 'no' });
    const good = await outcomeOf(
      reader((bytes) => bytes.slice()),
      input,
    );
    expect(good.read).toBe(true);
    expect(
      await outcomeOf(
        reader((bytes) => bytes.slice(1)),
        input,
      ),
    ).not.toEqual(good);
  });
});
