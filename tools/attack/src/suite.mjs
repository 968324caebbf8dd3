// The suite: every probe, and short versions of the long runs.
import { crossings } from './crossings/run.mjs';
import { fuzz } from './fuzz/run.mjs';
import { kills } from './kills/run.mjs';
import { probeAll } from './probes/run.mjs';

/** @typedef {import('./probes/run.mjs').KindResult} KindResult */

/**
 * Takes at most five minutes on two idle cores, by default.
 *
 * @typedef {object} AttackOptions
 * @property {number} seed
 * @property {RegExp} [only] kinds
 * @property {boolean} [all] more of the random inputs, which differ little. Default: false
 * @property {(line: string) => void} [onInput] called after each input, except for fuzzed ones
 *
 * @param {AttackOptions} options
 * @returns {Promise<KindResult[]>}
 */
export async function attack({ seed, only, all = false, onInput = () => {} }) {
  const count = all ? { fuzz: 15_000, kills: 20, crossings: 3 } : { fuzz: 5000, kills: 10, crossings: 2 };
  const results = await probeAll({ ...(only !== undefined && { only }), onProbe: onInput });
  const is = (/** @type {string} */ kind) => only?.test(kind) !== false;
  if (is('fuzzed inputs')) {
    /** @type {string[]} */
    const faults = [];
    const readers = await fuzz({ inputs: count.fuzz, seed, onFault: (line) => faults.push(line) });
    const inputs = readers.reduce((sum, reader) => sum + reader.inputs, 0);
    results.push({ kind: 'fuzzed inputs', inputs, faults });
  }
  if (is('kills')) {
    const short = { kills: count.kills, engine: 'tfjs-cpu', steps: 200, interval: 10 };
    const commands = await kills({ ...short, seed, onKill: onInput });
    const faults = commands.flatMap(({ name, faults: found }) => found.map((fault) => `${name}: ${fault}`));
    results.push({ kind: 'kills', inputs: commands.reduce((sum, command) => sum + command.kills, 0), faults });
  }
  if (is('crossings')) {
    const result = await crossings({ crossings: count.crossings, seed, onCrossing: onInput });
    results.push({ kind: 'crossings', inputs: result.crossings, faults: result.faults });
  }
  return results;
}
