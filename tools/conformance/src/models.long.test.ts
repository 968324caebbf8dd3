// Full-size models: DiT-B/8 takes 17 s and 3 GB, mostly to create its weights and projections; the others 4 to 6 s.
import { modelCases } from '@dm/models/testing';
import { onnxByJavaScript } from './engines.js';
import { testModels } from './models-on-engines.js';

await testModels(
  modelCases.filter(({ heavy }) => heavy === true),
  // It runs the same graphs and kernels as `onnx`.
  (engine) => engine !== onnxByJavaScript,
);
