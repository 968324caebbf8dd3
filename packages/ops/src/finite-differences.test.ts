import '@tensorflow/tfjs-backend-cpu';
import { expect, test } from 'vitest';
import { openEagerEngine } from './index.js';
import { opCaseInputs, opCaseProgram, opCases } from './testing/op-cases.js';
import { reference } from './testing/reference.js';

const engine = await openEagerEngine('tfjs-cpu');

/** d (dy · y) / d input by central differences in float64: exact to about 1e-9 relative. */
function differences(
  f: (input: Float64Array<ArrayBuffer>) => Float64Array,
  input: Float64Array<ArrayBuffer>,
  dy: ArrayLike<number>,
) {
  const h = 1e-5;
  const loss = () => f(input).reduce((total, y, i) => total + y * dy[i]!, 0);
  return input.map((value, i) => {
    input[i] = value + h;
    const above = loss();
    input[i] = value - h;
    const below = loss();
    input[i] = value;
    return (above - below) / (2 * h);
  });
}

test.each(opCases)('$name: the result is the definition, the gradient its finite differences', async (opCase) => {
  const inputs = opCaseInputs(opCase);
  const names = Object.keys(opCase.inputs);
  const given = names.map((name) => Float64Array.from(inputs[name]!.data));
  const f = reference(opCase);
  const expectedGradients = names.map((name, k) => {
    const data = differences((input) => f(...given.with(k, input)), given[k]!, inputs['dy']!.data);
    return [`d${name}`, { shape: inputs[name]!.shape, data }] as const;
  });

  const program = engine.compile(opCaseProgram(opCase));
  const { y, ...gradients } = await program.run(await program.load({}), inputs);

  expect(y!.data.every((value) => Number.isFinite(value))).toBe(true);
  expect({ y: y! }).toBeAllClose(
    { y: { shape: opCase.y, data: f(...given) } },
    { rtol: 2e-6, relativeTo: 'norm', rtolOfAll: 1e-6 },
  );
  expect(gradients).toBeAllClose(Object.fromEntries(expectedGradients), {
    rtol: 1e-5,
    relativeTo: 'norm',
    rtolOfAll: 1e-6,
  });
});
