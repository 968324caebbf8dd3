import { runExperiment, trainings } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { speedup } from './speedup.js';

await runExperiment(speedup, fileURLToPath(new URL('..', import.meta.url)), trainings);
