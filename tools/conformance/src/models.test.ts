import { modelCases } from '@dm/models/testing';
import { testModels } from './models-on-engines.js';

await testModels(
  modelCases.filter(({ heavy }) => heavy !== true),
  () => true,
);
