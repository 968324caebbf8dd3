// Programs compiled with `frozenState`, on every engine.
import { type Arrays, conv2d, type Engine, flatLayout, float32, type Program, splitFlat } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { onEachEngine } from './on-each-engine.js';

// A convolution that the engine onnx blocks on most processors, a product, and a bias.
const layout = flatLayout([
  { name: 'filter', shape: [3, 3, 16, 16], group: 'matrix' },
  { name: 'w', shape: [16, 8], group: 'matrix' },
  { name: 'b', shape: [8], group: 'vector' },
]);
const values = (size: number, seed: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 0.7 + seed));
const start = (): Arrays => ({ params: float32(values(layout.size, 1)), scale: float32([0.5], []) });
const inputs = { x: float32(values(2 * 5 * 4 * 16, 2), [2, 5, 4, 16]) };

const apply: Program = ({ params, scale }, { x }) => {
  const { filter, w, b } = splitFlat(params!, layout);
  const rows = tf.reshape(conv2d(x!, filter!), [-1, 16]);
  return { outputs: { y: tf.mul(tf.add(tf.matMul(rows, w!), b!), scale!) } };
};
const decay: Program = ({ params, scale }) => ({ state: { params: tf.mul(params!, 0.5), scale: scale! }, outputs: {} });

/** Outputs for the values at the start, and after each way of changing them. */
async function outputsOf(engine: Engine, frozenState: boolean): Promise<Arrays> {
  const [program, change] = [engine.compile(apply, { frozenState }), engine.compile(decay)];
  const handle = await program.load(start());
  const y = async () => (await program.run(handle, inputs))['y']!;
  const first = await y();
  expect(await y()).toEqual(first);
  await change.run(handle, {});
  const changed = await y();
  await handle.write({ scale: float32([-3], []) });
  const written = await y();
  await handle.update(['params'], ({ params }) => void params!.data.fill(0.25));
  const updated = await y();
  const other = await program.load({ ...start(), scale: float32([1], []) });
  const results = {
    first,
    changed,
    written,
    updated,
    other: (await program.run(other, inputs))['y']!,
    again: await y(),
  };
  handle.dispose();
  other.dispose();
  await program.dispose();
  await change.dispose();
  return results;
}

onEachEngine('frozen state', (engine, reference) => {
  it('results are those of the present values, as without it', async () => {
    const expected = await outputsOf(reference, false);
    expect(await outputsOf(engine, true)).toBeAllClose(expected, { rtol: 1e-5, relativeTo: 'norm', rtolOfAll: 1e-6 });
    expect(await outputsOf(reference, true)).toEqual(expected);
  });

  it('a program that changes the state is refused, and the state stays as it is', async () => {
    for (const each of [engine, reference]) {
      const program = each.compile(decay, { name: 'decay', frozenState: true });
      const handle = await program.load(start());
      await expect(program.run(handle, {})).rejects.toThrowWith({
        type: TypeError,
        contains: ['decay', 'frozenState', '"params"'],
      });
      expect(await handle.read()).toEqual(start());
      handle.dispose();
      await program.dispose();
    }
  });
});
