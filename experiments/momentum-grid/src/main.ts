import { runExperiment } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { momentumGrid } from './momentum-grid.js';
import { runMomentumTrial, summarize } from './run-trial.js';

await runExperiment(momentumGrid, fileURLToPath(new URL('..', import.meta.url)), { run: runMomentumTrial, summarize });
