/** Whether an engine works here: a convolution with its gradient, with numbers worked out by hand. */
import type { Device } from '@dm/jit';
import * as tf from '@tensorflow/tfjs-core';
import { conv2d, type Engine, float32, type Program } from '@dm/ops';
import { openEngine } from './engine.js';
import { messageOf } from '../errors.js';

export type EngineReport =
  | { readonly name: string; readonly device: Device; readonly works: true; readonly info: Engine['info'] }
  | { readonly name: string; readonly device: Device; readonly works: false; readonly reason: string };

/** Opens the engine, runs a small program and compares. Never throws. */
export async function checkEngine(name: string, device: Device = 'cpu'): Promise<EngineReport> {
  let engine: Engine | undefined;
  try {
    engine = await openEngine(name, { device });
    const wrong = await compute(engine);
    if (wrong !== undefined) return { name, device, works: false, reason: `it computes wrong numbers: ${wrong}` };
    return { name, device, works: true, info: engine.info };
  } catch (error) {
    return { name, device, works: false, reason: messageOf(error) };
  } finally {
    await engine?.dispose();
  }
}

/**
 * One step of gradient descent on y = sum(w * x), w a 1x1 kernel on x = [[1, 2], [3, 4]]: y = 10 w, dy/dw = 10, so from
 * w = 2 the loss is 20 and w becomes 2 - 0.1 * 10 = 1.
 */
const program: Program = (state, inputs) => {
  const loss = (w: tf.Tensor) => tf.sum(conv2d(inputs['x']!, w));
  const { value, grad } = tf.valueAndGrad(loss)(state['w']!);
  return { state: { w: tf.sub(state['w']!, tf.mul(grad, 0.1)) }, outputs: { loss: value } };
};

async function compute(engine: Engine): Promise<string | undefined> {
  const compiled = engine.compile(program, { name: 'doctor' });
  const state = await compiled.load({ w: float32([2], [1, 1, 1, 1]) });
  const { loss } = await compiled.run(state, { x: float32([1, 2, 3, 4], [1, 2, 2, 1]) });
  const { w } = await state.read();
  state.dispose();
  await compiled.dispose();
  const found = [loss!.data[0]!, w!.data[0]!];
  const expected = [20, 1];
  return found.every((v, i) => Math.abs(v - expected[i]!) < 1e-4) ? undefined : `${found.join(', ')} and not 20, 1`;
}
