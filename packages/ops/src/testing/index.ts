export {
  caseValues,
  type CaseInput,
  type OpCall,
  type OpCase,
  opCaseInputs,
  opCaseProgram,
  opCases,
} from './op-cases.js';
