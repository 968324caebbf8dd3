import { runExperiment, trainingRunner } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { momentum } from './momentum.js';

await runExperiment(momentum, fileURLToPath(new URL('..', import.meta.url)), trainingRunner);
