import { runExperiment } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { consistencyExperiment } from './consistency.js';
import { runAnyTrial, summarize } from './run-trial.js';

await runExperiment(consistencyExperiment, fileURLToPath(new URL('..', import.meta.url)), {
  run: runAnyTrial,
  summarize,
});
