// Emulated half precision on WebAssembly, in Node: the runtime's optimizations do not remove the rounding.
import { openOnnxEngine } from '@dm/jit';
import { autocast, float32, halfToNumber, numberToHalf } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-web';
import { expect, it } from 'vitest';

const half = (value: number): number => halfToNumber(numberToHalf(value));

/** The nearest bfloat16: the upper 16 bits of a float32, ties to even. */
function brain(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  return new Float32Array(Uint32Array.of((bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000).buffer)[0]!;
}

const a = [0.1, 1 / 3, 1 + 2 ** -11, 1 + 3 * 2 ** -11, -7.77e-6, 6e-8, 300, 65519];
const b = [1, Math.PI, -0.7, 1e-3, 300];

it.each([
  ['f16-emulated', half],
  ['bf16-emulated', brain],
] as const)('%s rounds the operands and the result of a product', async (precision, round) => {
  const engine = await openOnnxEngine({ ort, threads: 1 });
  const compiled = engine.compile((_, inputs) => ({
    outputs: { y: autocast(precision, () => tf.matMul(inputs['a']!, inputs['b']!)) },
  }));
  const inputs = { a: float32(a, [a.length, 1]), b: float32(b, [1, b.length]) };
  const { y } = await compiled.run(await compiled.load({}), inputs);
  await engine.dispose();
  // Each element is one product, which float32 holds exactly.
  const product = (x: number, z: number) => round(Math.fround(round(Math.fround(x)) * round(Math.fround(z))));
  expect([...y!.data]).toEqual(a.flatMap((x) => b.map((z) => product(x, z))));
});
