import { runExperiment } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { consistencyExperiment } from './consistency.js';
import { measureModel, summary } from './measure.js';

await runExperiment(consistencyExperiment, fileURLToPath(new URL('..', import.meta.url)), {
  perform: measureModel,
  summary,
});
