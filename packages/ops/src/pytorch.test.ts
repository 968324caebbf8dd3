import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { openEagerEngine } from './index.js';
import { caseValues, opCaseInputs, opCaseProgram, opCases } from './testing/op-cases.js';

/** Written by tools/parity/ops_fixture.py: PyTorch in float64. */
interface Fixture {
  readonly cases: readonly {
    readonly case: { readonly name: string };
    readonly y: readonly number[];
    readonly gradients: Readonly<Record<string, { readonly norm: number; readonly products: readonly number[] }>>;
  }[];
}
const fixture = JSON.parse(await readFile(new URL('./fixtures/pytorch.json', import.meta.url), 'utf8')) as Fixture;
const engine = await openEagerEngine('tfjs-cpu');

test('the fixture has the cases of today; if not, run tools/parity/ops_fixture.py', () => {
  expect(fixture.cases.map((entry) => entry.case)).toEqual(opCases);
});

test.each(opCases)("$name: result and gradients are PyTorch's", async (opCase) => {
  const expected = fixture.cases.find((entry) => entry.case.name === opCase.name)!;
  const program = engine.compile(opCaseProgram(opCase));
  const { y, ...gradients } = await program.run(await program.load({}), opCaseInputs(opCase));
  expect({ y: y! }).toBeAllClose(
    { y: { shape: opCase.y, data: expected.y } },
    { rtol: 2e-6, relativeTo: 'norm', rtolOfAll: 1e-6 },
  );

  // If |g - g'| <= bar, the norms differ by at most bar, and the products with a vector v by at most bar |v|.
  const all = Math.hypot(...Object.values(expected.gradients).map(({ norm }) => norm));
  expect(Object.keys(gradients)).toEqual(Object.keys(expected.gradients));
  for (const [name, { shape, data }] of Object.entries(gradients)) {
    const { norm, products } = expected.gradients[name]!;
    const bar = 1e-5 * norm + 1e-6 * all;
    expect(Math.abs(Math.hypot(...data) - norm), `norm of ${name}`).toBeLessThanOrEqual(bar);
    for (const [k, product] of products.entries()) {
      const v = Array.from(caseValues({ shape }, 200 + k).data);
      const actual = v.reduce((total, value, i) => total + value * data[i]!, 0);
      expect(Math.abs(actual - product), `product ${k} of ${name}`).toBeLessThanOrEqual(bar * Math.hypot(...v));
    }
  }
});
