import { type Engine } from '@dm/ops';
import { opCaseInputs, opCaseProgram, opCases, type OpCase } from '@dm/ops/testing';
import { expect, it } from 'vitest';
import { onEachEngine } from './on-each-engine.js';

async function results(engine: Engine, opCase: OpCase) {
  const program = engine.compile(opCaseProgram(opCase), { name: opCase.name });
  const state = await program.load({});
  try {
    return await program.run(state, opCaseInputs(opCase));
  } finally {
    state.dispose();
    await program.dispose();
  }
}

onEachEngine('ops', (engine, reference) => {
  it.each(opCases)('$name', async (opCase) => {
    const { y, ...gradients } = await results(engine, opCase);
    const { y: expected, ...expectedGradients } = await results(reference, opCase);
    expect(Object.keys(gradients).length).toBeGreaterThan(0);
    expect({ y: y! }).toBeAllClose({ y: expected! }, { rtol: 5e-6, relativeTo: 'norm', rtolOfAll: 1e-6 });
    expect(gradients).toBeAllClose(expectedGradients, { rtol: 1e-5, relativeTo: 'norm', rtolOfAll: 1e-6 });
  });
});
