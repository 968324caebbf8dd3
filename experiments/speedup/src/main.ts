import { measureStepTimes, runExperiment, runTrial, trainingRunner } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { isStepTimeResult, isStepTimeTrial } from './trial-types.js';
import { speedup } from './speedup.js';

await runExperiment(speedup, fileURLToPath(new URL('..', import.meta.url)), {
  run: (trial, context) => (isStepTimeTrial(trial) ? measureStepTimes(trial, context) : runTrial(trial, context)),
  accepts: trainingRunner.accepts,
  summarize: (result) =>
    isStepTimeResult(result)
      ? Object.entries(result.stepMs)
          .map(([name, { median }]) => `${name} ${median.toFixed(2)} ms per step`)
          .join(', ')
      : trainingRunner.summarize(result),
});
