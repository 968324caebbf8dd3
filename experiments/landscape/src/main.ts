import { runExperiment } from '@dm/experiments';
import { fileURLToPath } from 'node:url';
import { landscape } from './landscape.js';
import { measureLandscape, summary } from './measure.js';

await runExperiment(landscape, fileURLToPath(new URL('..', import.meta.url)), {
  perform: measureLandscape,
  summary,
});
