export {
  caseModel,
  caseWeights,
  type GradientPrint,
  gradientPrints,
  hashed,
  type ModelCase,
  modelCaseInputs,
  modelCaseProgram,
  modelCases,
  modelCaseState,
} from './model-cases.js';
