import { runExperiment } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { difficultyExperiment } from './difficulty.js';
import { measureDifficulty, summary } from './measure.js';

await runExperiment(difficultyExperiment, fileURLToPath(new URL('..', import.meta.url)), {
  perform: measureDifficulty,
  summary,
});
