import { measureStepTimes, runCurveTrial, runExperiment, summarizeCurve } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { isStepTimes, recipeSearch } from './recipe-search.js';

await runExperiment(recipeSearch, fileURLToPath(new URL('..', import.meta.url)), {
  run: (trial, context) => (trial.stage === 'clock' ? measureStepTimes(trial, context) : runCurveTrial(trial, context)),
  summarize: (result) =>
    isStepTimes(result)
      ? Object.entries(result.stepMs)
          .map(([name, { median }]) => `${name} ${median.toFixed(2)} ms per step`)
          .join(', ')
      : summarizeCurve(result),
});
