/** Checks whether an engine works on this machine: a training step of a convolution with hand-computed results. */
import type { Device } from '@dm/jit';
import * as tf from '@tensorflow/tfjs-core';
import { conv2d, type Engine, float32, type Program } from '@dm/ops';
import { openEngine } from './engine.js';
import { messageOf } from '../errors.js';

export type EngineReport =
  | { readonly name: string; readonly device: Device; readonly works: true; readonly info: Engine['info'] }
  | { readonly name: string; readonly device: Device; readonly works: false; readonly reason: string };

/** Opens the engine, runs a small program and compares the results. Never throws. */
export async function checkEngine(name: string, device: Device = 'cpu'): Promise<EngineReport> {
  let engine: Engine | undefined;
  try {
    engine = await openEngine(name, { device });
    const wrong = await compute(engine);
    if (wrong !== undefined) return { name, device, works: false, reason: `its results are wrong: ${wrong}` };
    return { name, device, works: true, info: engine.info };
  } catch (error) {
    return { name, device, works: false, reason: messageOf(error) };
  } finally {
    await engine?.dispose();
  }
}

/** Number of parameters, similar to a small model: `onnx` updates vectors of 2^19 or more elements on a separate path. */
const size = 2 ** 19 + 1;

/**
 * One step of gradient descent on y = sum(w * x), w a 1x1 kernel on x = [[1, 2], [3, 4]]: y = 10 w, dy/dw = 10, so from
 * w = 2 the loss is 20 and w becomes 2 - 0.1 * 10 = 1. Only the first parameter is used.
 */
const program: Program = (state, inputs) => {
  const loss = (parameters: tf.Tensor) => {
    const [w] = tf.split(parameters, [1, size - 1]) as [tf.Tensor];
    return tf.sum(conv2d(inputs['x']!, tf.reshape(w, [1, 1, 1, 1])));
  };
  const { value, grad } = tf.valueAndGrad(loss)(state['parameters']!);
  return { state: { parameters: tf.sub(state['parameters']!, tf.mul(grad, 0.1)) }, outputs: { loss: value } };
};

async function compute(engine: Engine): Promise<string | undefined> {
  const compiled = engine.compile(program, { name: 'doctor' });
  const state = await compiled.load({ parameters: float32(new Float32Array(size).fill(2), [size]) });
  const { loss } = await compiled.run(state, { x: float32([1, 2, 3, 4], [1, 2, 2, 1]) });
  const { data } = (await state.read())['parameters']!;
  state.dispose();
  await compiled.dispose();
  const [y, w] = [loss!.data[0]!, data[0]!];
  // Negated, so that NaN fails too.
  if (!(Math.abs(y - 20) < 1e-4 && Math.abs(w - 1) < 1e-4)) return `got ${y}, ${w} instead of 20, 1`;
  const changed = data.findIndex((value, i) => i > 0 && value !== 2);
  return changed === -1 ? undefined : `parameter ${changed} became ${data[changed]} although its gradient is 0`;
}
