import { runExperiment } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { landscape } from './landscape.js';
import { measureLandscape, summarize } from './run-trial.js';

await runExperiment(landscape, fileURLToPath(new URL('..', import.meta.url)), {
  run: measureLandscape,
  summarize,
});
