import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { openOnnxEngine } from '../engine.js';
import { EngineError } from '../errors.js';
import { asProgram, expectSame, floats, given, ints, runOnnx } from '../testing.js';

const x = floats([2, 3, 4]);

it('gather, its gradient and one-hot', async () => {
  await expectSame(({ x }) => tf.gather(x!, tf.tensor1d([2, 0, 2, 1], 'int32'), 1), { x });
  await expectSame(({ x, i }) => tf.gather(x!, i!), { x, i: ints([1, 0, 1]) });
  await expectSame(({ i }) => [tf.oneHot(i!, 4), tf.oneHot(i!, 3, 2, -1)], { i: ints([1, 0, 3, -1]) }, { grad: false });
});

it('refuses negative indices, as TF.js does, and indices that are too large', async () => {
  for (const index of [-1, 3]) {
    const run = runOnnx(
      asProgram(({ x, i }) => tf.gather(x!, i!)),
      { x: given([1, 2, 3]), i: ints([0, index]) },
    );
    await expect(run).rejects.toThrow(EngineError);
  }
});

it('one-hot of booleans', async () => {
  await expectSame(({ i }) => tf.oneHot(i!, 3, 1, 0, 'bool'), { i: ints([1, 0, 2]) }, { grad: false });
});

it('adds rows up by segment, also of ids in two dimensions, and drops those of segments that do not exist', async () => {
  const inputs = { x, i: ints([1, -1, 0, 3, 1, 0], [2, 3]), j: ints([1, 2]) };
  await expectSame(
    ({ x, i, j }) => [
      tf.unsortedSegmentSum(x!, tf.reshape(j!, [2]), 2),
      tf.unsortedSegmentSum(tf.reshape(x!, [6, 4]), tf.reshape(i!, [6]), 3),
      tf.unsortedSegmentSum(
        tf.reshape(x!, [24]),
        tf.tensor1d(
          Array.from({ length: 24 }, (_, n) => n % 5),
          'int32',
        ),
        4,
      ),
    ],
    inputs,
    { grad: false },
  );
});

it('loses nothing when several threads add to the same row', async () => {
  const engine = await openOnnxEngine({ threads: 4 });
  const [rows, size] = [8192, 256];
  const ids = ints(Array.from({ length: rows }, (_, n) => (n * 7) % 16));
  const program = engine.compile(asProgram(({ x, i }) => tf.unsortedSegmentSum(x!, i as tf.Tensor1D, 16)));
  const state = await program.load({});
  for (let run = 0; run < 5; run++) {
    const { out0 } = await program.run(state, { x: given(Array(rows * size).fill(1), [rows, size]), i: ids });
    expect(new Set(out0!.data)).toEqual(new Set([rows / 16]));
  }
  await engine.dispose();
});
