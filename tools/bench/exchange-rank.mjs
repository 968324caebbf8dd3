// One rank of `mpi.mjs`: times sums of float32 arrays, with the call that training makes, and prints them as JSON.
import { parseArgs } from 'node:util';
import { openWorld } from '@dm/mpi';

const { values } = parseArgs({
  options: { parameters: { type: 'string', default: '1' }, repeats: { type: 'string', default: '5' } },
});

const world = await openWorld();
const rounds = Number(values.repeats);
const lengths = values.parameters.split(',').map(Number);
// Gradients are in shared memory too.
const memory = new SharedArrayBuffer(4 * Math.max(...lengths));
/** Of each number of parameters, the seconds of each repeat on the slowest rank. @type {[number, Float64Array][]} */
const timings = lengths.map((parameters) => [parameters, new Float64Array(rounds * repeatsPerRound(parameters))]);
// All lengths in every round: what else the machine does affects them equally. The first round is not counted: memory is new.
for (let round = -1; round < rounds; round++) {
  for (const [parameters, seconds] of timings) {
    const array = new Float32Array(memory, 0, parameters);
    const repeats = round < 0 ? 1 : repeatsPerRound(parameters);
    for (let i = 0; i < repeats; i++) {
      array.fill(1);
      await world.barrier();
      const began = performance.now();
      await world.sum(array);
      if (round >= 0) seconds[round * repeats + i] = (performance.now() - began) / 1000;
    }
  }
}
for (const [, seconds] of timings) await world.max(seconds);
const plain = timings.map(([parameters, seconds]) => [parameters, [...seconds]]);
if (world.rank === 0) console.log(JSON.stringify({ library: world.library ?? 'none', timings: plain }));
await world.close();

/** The short ones, which calibrate the model, are repeated more often. @param {number} parameters */
function repeatsPerRound(parameters) {
  return parameters <= 2 ** 22 ? 4 : 1;
}
