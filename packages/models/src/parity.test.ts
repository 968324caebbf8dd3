// Against diffusers' UNet2DModel and facebookresearch/DiT, run by tools/parity/models_fixture.py.
import { readFileSync } from 'node:fs';
import { openEagerEngine } from '@dm/ops';
import { describe, expect, it } from 'vitest';
import {
  caseModel,
  gradientPrints,
  modelCaseInputs,
  modelCaseProgram,
  modelCases,
  modelCaseState,
} from './testing/model-cases.js';
import { parseSafetensors } from './safetensors/parse.js';
import { torchShape } from './torch-layout.js';

const fixture = parseSafetensors(readFileSync(new URL('fixtures/models.safetensors', import.meta.url)));

const norm = (values: ArrayLike<number>) => Math.sqrt(Array.from(values).reduce((sum, v) => sum + v * v, 0));

describe.each(modelCases)('$name', (modelCase) => {
  const model = caseModel(modelCase);

  it("has the names, order and shapes of the reference's state dict", () => {
    const shapes = Object.entries(model.specs).map(([name, spec]) => [name, torchShape(spec)]);
    expect(shapes).toEqual(Object.entries(JSON.parse(fixture.metadata[modelCase.name]!) as object));
  });

  // DiT-S/4 and larger take minutes on the plain tfjs-cpu engine; tools/conformance runs them compiled.
  it.skipIf(modelCase.heavy)("has the reference's output and gradients", async () => {
    const engine = await openEagerEngine('tfjs-cpu');
    const program = engine.compile(modelCaseProgram(model));
    const handle = await program.load(modelCaseState(model));
    const { y, gradient } = await program.run(handle, modelCaseInputs(modelCase, model));
    await engine.dispose();

    const expected = fixture.tensors[`${modelCase.name}/y`]!;
    // UNets agree to 1e-5.
    const rtol = /UNet/.test(modelCase.model) ? 1e-5 : 1e-4;
    expect(y!).toBeAllClose(expected, { rtol, relativeTo: 'norm' });

    const prints = gradientPrints(model, gradient!.data as Float32Array);
    const rows = fixture.tensors[`${modelCase.name}/gradient`]!;
    expect(rows.shape).toEqual([prints.length, 3]);
    const whole = norm(gradient!.data);
    const wrong = prints.flatMap(({ name, norm: own, projections }, i) => {
      const [wantedNorm, ...wanted] = Array.from(rows.data.subarray(3 * i, 3 * i + 3)) as [number, number, number];
      // A difference d has projections of about |d| / sqrt(3), the vectors being uniform on [-1, 1).
      const differences = [own - wantedNorm, ...projections.map((p, k) => (p - wanted[k]!) * Math.sqrt(3))];
      const worst = Math.max(...differences.map(Math.abs));
      return worst <= 1e-3 * wantedNorm + 1e-6 * whole ? [] : [`${name}: ${worst} of ${wantedNorm}`];
    });
    expect(wrong).toEqual([]);
  });
});
