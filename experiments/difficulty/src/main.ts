import { runExperiment } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { difficultyExperiment } from './difficulty.js';
import { runDifficultyTrial, summarize } from './run-trial.js';

await runExperiment(difficultyExperiment, fileURLToPath(new URL('..', import.meta.url)), {
  run: runDifficultyTrial,
  summarize,
});
