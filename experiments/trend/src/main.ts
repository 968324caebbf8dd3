import { runCurveTrial, runExperiment, summarizeCurve } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { trend } from './trend.js';

await runExperiment(trend, fileURLToPath(new URL('..', import.meta.url)), {
  run: runCurveTrial,
  summarize: summarizeCurve,
});
