import { runExperiment, runTrial, trainings } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { measureSteps } from './clock.js';
import { isClockResult, isClockTrial } from './kinds.js';
import { speedup } from './speedup.js';

await runExperiment(speedup, fileURLToPath(new URL('..', import.meta.url)), {
  perform: (trial, shop) => (isClockTrial(trial) ? measureSteps(trial, shop) : runTrial(trial, shop)),
  accepts: trainings.accepts,
  summary: (result) =>
    isClockResult(result)
      ? Object.entries(result.stepMs)
          .map(([name, { median }]) => `${name} ${median.toFixed(2)} ms a step`)
          .join(', ')
      : trainings.summary(result),
});
