// The suite: every probe, and short versions of the long runs.
import { crossings } from './crossings/run.mjs';
import { fuzz } from './fuzz/run.mjs';
import { kills } from './kills/run.mjs';
import { probeAll } from './probes/run.mjs';

/** @typedef {import('./probes/run.mjs').KindResult} KindResult */

/**
 * Takes about five minutes on two idle cores.
 *
 * @param {{ seed: number, only?: RegExp, onInput?: (line: string) => void }} options `only`: kinds
 * @returns {Promise<KindResult[]>}
 */
export async function attack({ seed, only, onInput = () => {} }) {
  const results = await probeAll({ ...(only !== undefined && { only }), onProbe: onInput });
  const is = (/** @type {string} */ kind) => only?.test(kind) !== false;
  if (is('fuzzed inputs')) {
    /** @type {string[]} */
    const faults = [];
    const readers = await fuzz({ inputs: 15_000, seed, onFault: (line) => faults.push(line) });
    const inputs = readers.reduce((sum, reader) => sum + reader.inputs, 0);
    results.push({ kind: 'fuzzed inputs', inputs, faults });
  }
  if (is('kills')) {
    const short = { kills: 20, engine: 'tfjs-cpu', steps: 200, interval: 10 };
    const commands = await kills({ ...short, seed, onKill: onInput });
    const faults = commands.flatMap(({ name, faults: found }) => found.map((fault) => `${name}: ${fault}`));
    results.push({ kind: 'kills', inputs: commands.reduce((sum, command) => sum + command.kills, 0), faults });
  }
  if (is('crossings')) {
    const result = await crossings({ crossings: 3, seed, onCrossing: onInput });
    results.push({ kind: 'crossings', inputs: result.crossings, faults: result.faults });
  }
  return results;
}
