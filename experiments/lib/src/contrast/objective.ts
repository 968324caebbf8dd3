/** Losses on fixed data as functions of a flat parameter vector, for loss landscapes and gradient checks. */
import type { Objective } from '@dm/eval';
import { type Arrays, type Engine, float32, type Tensors } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';

export interface CompiledObjective extends Objective {
  dispose(): Promise<void>;
}

/** Compiles a scalar `loss` of parameters [size] and fixed `inputs`, and its gradient. */
export async function compileObjective(
  engine: Engine,
  options: {
    readonly name: string;
    readonly size: number;
    readonly loss: (params: tf.Tensor, inputs: Tensors) => tf.Tensor;
    readonly inputs: Arrays;
  },
): Promise<CompiledObjective> {
  const { name, size, loss, inputs } = options;
  const value = engine.compile((state, given) => ({ outputs: { loss: loss(state['params']!, given) } }), { name });
  const both = engine.compile(
    (state, given) => ({
      outputs: { gradient: tf.grad((params: tf.Tensor) => loss(params, given))(state['params']!) },
    }),
    { name: `${name} gradient` },
  );
  const state = await value.load({ params: float32(new Float32Array(size)) });
  return {
    size,
    async loss(params) {
      await state.write({ params: float32(Float32Array.from(params)) });
      return (await value.run(state, inputs))['loss']!.data[0]!;
    },
    async gradient(params) {
      await state.write({ params: float32(Float32Array.from(params)) });
      return (await both.run(state, inputs))['gradient']!.data as Float32Array;
    },
    async dispose() {
      state.dispose();
      await value.dispose();
      await both.dispose();
    },
  };
}
