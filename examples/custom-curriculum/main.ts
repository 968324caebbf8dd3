// Trains with your own timestep schedule instead of one of @dm/curriculum: `tsx main.ts`.
import { discreteSchedule } from '@dm/curriculum';
import { openDataset } from '@dm/data';
import { openOnnxEngine } from '@dm/jit';
import {
  batchSource,
  compileStep,
  createTrainingSetup,
  resolveConfig,
  startingState,
  trainingSteps,
} from '@dm/trainer/core';

const isSmoke = process.argv.includes('--smoke');
const totalSteps = isSmoke ? 6 : 600;
const config = resolveConfig([
  { source: 'main.ts', value: { preset: 'mnist', totalSteps, ...(isSmoke && { batchSize: 8 }) } },
]);
const batches = batchSource(await openDataset('mnist'));
const numTimesteps = config.diffusion.timesteps;

// From coarse to fine: at the start only the noisiest tenth of the timesteps, in the end all of them.
const coarseToFine = discreteSchedule({
  name: 'coarseToFine',
  numTimesteps,
  density: (step) => {
    const first = Math.round(0.9 * numTimesteps * (1 - step / totalSteps));
    return Float64Array.from({ length: numTimesteps }, (_, t) => (t >= first ? 1 / (numTimesteps - first) : 0));
  },
});

const setup = { ...createTrainingSetup(config, batches), curriculum: coarseToFine };
const engine = await openOnnxEngine();
const compiled = await compileStep(setup, engine, startingState(setup));
for await (const { step, sample, result } of trainingSteps(setup, compiled)) {
  if (step % (totalSteps / 6) === 0) {
    console.log(`step ${step}: loss ${result.loss.toFixed(4)}, timesteps from ${Math.min(...sample.timesteps)}`);
  }
}
await engine.dispose();
