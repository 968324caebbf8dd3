import { runExperiment, trainingRunner } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { best } from './best.js';

await runExperiment(best, fileURLToPath(new URL('..', import.meta.url)), trainingRunner);
