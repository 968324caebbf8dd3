// A process that passes damaged inputs to the readers. Before each input it writes the input's number to a file, which
// tells the parent process on which input it hung or crashed.
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { createRandom } from '../random.mjs';
import { openReaders } from './readers.mjs';
import { outcomeOf } from './outcome.mjs';

/**
 * @typedef {{ reader: number, from: number, to: number }} Task inputs from `from` up to, but not including, `to`
 * @typedef {{ input: number, what: string }} Fault
 * @typedef {{ read: number, refused: number, faults: Fault[] }} Result
 */

const [folder = '', progress = '', seed = ''] = process.argv.slice(2);
/** Limit of the resident set size, in KiB, the unit of `maxRSS`. */
const maxKib = 2 ** 20;

const readers = await openReaders(folder);
const fd = openSync(progress, 'w');
const mark = Buffer.alloc(4);

process.on('message', (/** @type {Task} */ task) => void perform(task));

/** @param {Task} task */
async function perform({ reader: index, from, to }) {
  const reader = readers[index];
  if (reader === undefined) throw new RangeError(`there is no reader ${index}`);
  /** @type {Result} */
  const result = { read: 0, refused: 0, faults: [] };
  for (let input = from; input < to; input++) {
    mark.writeUInt32LE(input);
    writeSync(fd, mark, 0, 4, 0);
    const outcome = await outcomeOf(reader, reader.input(createRandom(Number(seed), index, input)));
    if (outcome.kind === 'fault') result.faults.push({ input, what: outcome.what });
    else result[outcome.kind]++;
    if (process.resourceUsage().maxRSS > maxKib) {
      result.faults.push({ input, what: `over 1 GB of memory after this input` });
      process.send?.({ ...result, doneTo: input + 1, isSpent: true });
      return;
    }
  }
  process.send?.({ ...result, doneTo: to, isSpent: false });
}

process.on('disconnect', () => {
  closeSync(fd);
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
});
process.send?.({ readers: readers.map(({ name, share }) => ({ name, share })) });
