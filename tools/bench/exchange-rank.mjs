// One rank of `mpi.mjs`: times sums of float32 arrays, with the call that training makes, and prints them as JSON.
import { parseArgs } from 'node:util';
import { openWorld } from '@dm/mpi';

const { values } = parseArgs({
  options: { parameters: { type: 'string', default: '1' }, repeats: { type: 'string', default: '5' } },
});

const world = await openWorld();
/** Of each number of parameters, the seconds of each repeat on the slowest rank. @type {[number, number[]][]} */
const timings = [];
for (const parameters of values.parameters.split(',').map(Number)) {
  // Gradients are in shared memory too.
  const array = new Float32Array(new SharedArrayBuffer(4 * parameters)).fill(1);
  // The short ones, which calibrate the model, are repeated more often.
  const seconds = new Float64Array(Number(values.repeats) * (parameters <= 2 ** 22 ? 4 : 1));
  for (let i = -1; i < seconds.length; i++) {
    await world.barrier();
    const began = performance.now();
    await world.sum(array);
    if (i >= 0) seconds[i] = (performance.now() - began) / 1000; // the first one is not counted: memory is new
    array.fill(1);
  }
  await world.max(seconds);
  timings.push([parameters, [...seconds]]);
}
if (world.rank === 0) console.log(JSON.stringify({ library: world.library ?? 'none', timings }));
await world.close();
