import { expect, test } from 'vitest';
import { openEagerEngine, type Engine } from './index.js';
import { type OpCase, opCaseInputs, opCaseProgram, opCases } from './testing/op-cases.js';

const [cpu, wasm] = await Promise.all([openEagerEngine('tfjs-cpu'), openEagerEngine('tfjs-wasm')]);

async function results(engine: Engine, opCase: OpCase) {
  const program = engine.compile(opCaseProgram(opCase));
  return program.run(await program.load({}), opCaseInputs(opCase));
}

test.each(opCases)('$name: wasm agrees with cpu, gradients included', async (opCase) => {
  const { y, ...gradients } = await results(wasm, opCase);
  const { y: expectedY, ...expectedGradients } = await results(cpu, opCase);
  expect(gradients).not.toEqual({});
  expect({ y: y! }).toBeAllClose({ y: expectedY! }, { rtol: 5e-6, relativeTo: 'norm', rtolOfAll: 1e-6 });
  expect(gradients).toBeAllClose(expectedGradients, { rtol: 1e-5, relativeTo: 'norm', rtolOfAll: 1e-6 });
});
