import { runExperiment, trainingRunner } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { curriculum } from './curriculum.js';

await runExperiment(curriculum, fileURLToPath(new URL('..', import.meta.url)), trainingRunner);
