// Models in emulated half precision, against PyTorch with the same rounding (tools/parity/half_fixture.py).
import { readFileSync } from 'node:fs';
import { openOnnxEngine } from '@dm/jit';
import { parseSafetensors } from '@dm/models';
import {
  caseModel,
  gradientPrints,
  modelCaseInputs,
  modelCaseProgram,
  modelCases,
  modelCaseState,
} from '@dm/models/testing';
import { autocast, type Engine, type Precision } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { norm } from './norm.js';

const read = (path: string) => parseSafetensors(readFileSync(new URL(path, import.meta.url)));
const half = read('fixtures/half.safetensors');
const float = read('../../../packages/models/src/fixtures/models.safetensors');

/** Names in the fixture have the form `f16/<name of a case>/y`. */
const names = Object.keys(half.tensors).flatMap((key) => /^f16\/(.*)\/y$/.exec(key)?.[1] ?? []);

let engine: Engine;
beforeAll(async () => void (engine = await openOnnxEngine({ threads: 1, convolutions: 'plain' })));
afterAll(() => engine.dispose());

/** Output, and three numbers per parameter: the norm of its gradient and two projections. */
async function results(name: string, precision: Precision): Promise<Record<'y' | 'prints', ArrayLike<number>>> {
  const modelCase = modelCases.find((one) => one.name === name)!;
  const model = caseModel(modelCase);
  const program = modelCaseProgram(model);
  const compiled = engine.compile((state, inputs) => autocast(precision, () => program(state, inputs)), { name });
  const handle = await compiled.load(modelCaseState(model));
  const { y, gradient } = await compiled.run(handle, modelCaseInputs(modelCase, model));
  handle.dispose();
  await compiled.dispose();
  const prints = gradientPrints(model, gradient!.data as Float32Array);
  return { y: y!.data, prints: prints.flatMap((print) => [print.norm, ...print.projections]) };
}

const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  norm(Array.from(a, (value, i) => value - b[i]!));

/** Cosine of the angle between a - origin and b - origin. */
function alignment(a: ArrayLike<number>, b: ArrayLike<number>, origin: ArrayLike<number>): number {
  const [x, y] = [a, b].map((values) => Array.from(values, (value, i) => value - origin[i]!)) as [number[], number[]];
  return x.reduce((sum, value, i) => sum + value * y[i]!, 0) / (norm(x) * norm(y));
}

/** Results in float32, which both precisions are compared with. */
const inFloat32 = new Map<string, ReturnType<typeof results>>();
function plain(name: string): ReturnType<typeof results> {
  const known = inFloat32.get(name) ?? results(name, 'f32');
  inFloat32.set(name, known);
  return known;
}

/**
 * Upper bounds of the distance to PyTorch, relative to the norm, of the output and of the gradients' numbers. A sum of
 * float32 in another order changes some roundings, and each change causes more in the layers after it: in this UNet, a
 * change of all weights by 1e-7 changes the output by 1e-3 in f16. The DiT is less deep. There the distance must also be
 * smaller than the effect of the rounding. The UNet's bound is about as large as that effect, so its direction is compared
 * too: the effect of the rounding here and in PyTorch, as the cosine of their angle, was 0.62 to 1 with the rounding, and
 * 0.05 at most without it (results in float32, whose own differences have no common direction).
 */
const bounds = { f16: 2e-3, bf16: 1e-2 } as const;
const leastAlignment = 0.4;

describe.each(['f16', 'bf16'] as const)('%s', (precision) => {
  it.each(names)('%s', async (name) => {
    const { y, prints } = await results(name, `${precision}-emulated`);
    for (const [found, key] of [
      [y, 'y'],
      [prints, 'gradient'],
    ] as const) {
      const wanted = half.tensors[`${precision}/${name}/${key}`]!.data;
      const exact = float.tensors[`${name}/${key}`]!.data;
      expect(wanted.length).toBe(found.length);
      const error = distance(found, wanted) / norm(wanted);
      const rounding = distance(wanted, exact) / norm(exact);
      expect(rounding).toBeGreaterThan(bounds[precision] / 5);
      const bound = name.startsWith('dit') ? Math.min(bounds[precision], 0.6 * rounding) : bounds[precision];
      expect(error, `${key} to PyTorch`).toBeLessThan(bound);
      expect(alignment(found, wanted, exact), `${key}: direction of the rounding`).toBeGreaterThan(leastAlignment);
      // The check fails if the rounding is left out.
      const { [key === 'y' ? 'y' : 'prints']: unrounded } = await plain(name);
      expect(alignment(unrounded, wanted, exact)).toBeLessThan(leastAlignment / 2);
    }
  });
});
