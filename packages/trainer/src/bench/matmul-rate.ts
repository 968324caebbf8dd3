import { openOnnxEngine, type NodeEngineOptions } from '@dm/jit';
import { float32 } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';

const size = 1024;
const products = 4;
const calls = 8;

/**
 * The reference rate of profiles: GFLOP/s of float32 products of two 1024 x 1024 matrices on the engine `onnx`. The best of
 * eight calls of four products each; takes about a second.
 */
export async function measureMatmulGflops(options: Pick<NodeEngineOptions, 'threads' | 'device'>): Promise<number> {
  const sessionMs: number[] = [];
  const engine = await openOnnxEngine({ ...options, observer: { ran: (run) => void sessionMs.push(run.sessionMs) } });
  try {
    const program = engine.compile((_, { x, w }) => {
      let y = x!;
      for (let i = 0; i < products; i++) y = tf.matMul(y, w!);
      return { outputs: { sum: tf.sum(y) } };
    });
    const handle = await program.load({});
    const values = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i) / size);
    const matrix = float32(values, [size, size]);
    for (let i = 0; i < calls; i++) await program.run(handle, { x: matrix, w: matrix });
    return (products * 2 * size ** 3) / (Math.min(...sessionMs) * 1e6);
  } finally {
    await engine.dispose();
  }
}
