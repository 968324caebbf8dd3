import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, expect, test } from 'vitest';
import fixture from '../fixtures/guidance.json' with { type: 'json' };
import { guided } from './guidance.js';

beforeAll(() => tf.setBackend('cpu'));

// tools/parity/schedulers_fixture.py: the network there is this one.
test("a learned variance is the conditional model's, as in DiT's forward_with_cfg", () => {
  const channelsFirst = Array.from({ length: 24 }, (_, i) => Math.sin(1.3 * i));
  const x = tf.transpose(tf.tensor(channelsFirst, [2, 3, 2, 2]), [0, 2, 3, 1]);
  const network = (seen: tf.Tensor, _t: tf.Tensor, { cond }: Readonly<Record<string, tf.Tensor>>): tf.Tensor => {
    const rows = tf.reshape(cond!, [-1, 1, 1, 1]);
    return tf.concat([tf.tanh(tf.add(tf.mul(seen, 0.7), rows)), tf.sin(tf.add(seen, tf.mul(rows, 2)))], -1);
  };
  const { scale, conditional, unconditional, output } = fixture;
  const given = { cond: tf.tensor1d(conditional) };
  const without = { cond: tf.tensor1d(unconditional) };
  const result = guided(network, x, tf.zeros([2]), given, without, tf.scalar(scale));
  expect([...result.dataSync()]).toBeAllClose(output, { atol: 1e-5 });
});
