// Compares the output and all parameter gradients of models with the reference implementation, on the engines that run
// full-size models in seconds. packages/models tests the small models on `tfjs-cpu`.
import { readFileSync } from 'node:fs';
import type { Engine } from '@dm/ops';
import { parseSafetensors } from '@dm/models';
import {
  caseModel,
  gradientPrints,
  type ModelCase,
  modelCaseInputs,
  modelCaseProgram,
  modelCaseState,
} from '@dm/models/testing';
import { describe, expect, it } from 'vitest';
import { norm } from './norm.js';
import { startEngines } from './engines.js';

const file = new URL('../../../packages/models/src/fixtures/models.safetensors', import.meta.url);
const fixture = parseSafetensors(readFileSync(file));

async function results(engine: Engine, modelCase: ModelCase) {
  const model = caseModel(modelCase);
  const program = engine.compile(modelCaseProgram(model), { name: modelCase.name });
  const handle = await program.load(modelCaseState(model));
  try {
    const { y, gradient } = await program.run(handle, modelCaseInputs(modelCase, model));
    const data = gradient!.data as Float32Array;
    return { y: y!, whole: norm(data), prints: gradientPrints(model, data) };
  } finally {
    handle.dispose();
    await program.dispose();
  }
}

/** Defines the tests of `cases` on each installed engine for which `runs` is true. */
export async function testModels(cases: readonly ModelCase[], runs: (engine: string) => boolean): Promise<void> {
  const engines = (await startEngines()).others.filter(({ name }) => /^(onnx|tfjs-node)/.test(name) && runs(name));
  describe.each(engines)('models on $name', ({ engine }) => {
    it.each(cases)('$name', { timeout: 180_000 }, async (modelCase) => {
      const { y, whole, prints } = await results(engine, modelCase);

      const expected = fixture.tensors[`${modelCase.name}/y`]!;
      expect(y).toBeAllClose(expected, { rtol: 1e-4, relativeTo: 'norm' });

      const rows = fixture.tensors[`${modelCase.name}/gradient`]!;
      expect(rows.shape).toEqual([prints.length, 3]);
      const wrong = prints.flatMap((print, i) => {
        const [wantedNorm, ...wanted] = Array.from(rows.data.subarray(3 * i, 3 * i + 3)) as [number, number, number];
        // The projection vectors are uniform on [-1, 1), so a difference d has projections of about |d| / sqrt(3).
        const along = print.projections.map((p, k) => (p - wanted[k]!) * Math.sqrt(3));
        const worst = Math.max(...[print.norm - wantedNorm, ...along].map(Math.abs));
        return worst <= 1e-3 * wantedNorm + 1e-6 * whole ? [] : [`${print.name}: ${worst} of ${wantedNorm}`];
      });
      expect(wrong).toEqual([]);
    });
  });
}
