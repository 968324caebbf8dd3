/** Finds out by trial what a runtime supports on this machine. */
import type { NdArray } from '@dm/ops';
import { sizeOf } from '../graph/graph.js';
import { blockedConvolutions, blockedProbe } from '../lower/blocked.js';
import type { BlockedConvolutions } from '../lower/context.js';
import { encodeModel, type OnnxModel } from '../onnx/proto.js';
import { emptyArray } from './arrays.js';
import type { Runtime } from './runtime.js';

/**
 * Tries the block sizes that ONNX Runtime uses; undefined if it has no blocked convolutions, or if they compute something
 * else.
 */
export async function probeBlockedConvolutions(runtime: Runtime): Promise<BlockedConvolutions | undefined> {
  for (const block of [16, 8]) {
    const { model, shapes } = blockedProbe(block);
    const array = (shape: readonly number[], seed: number): NdArray => {
      const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin((i + 1) * seed));
      return { dtype: 'float32', shape, data };
    };
    const results = resultsOf(model);
    try {
      const session = await runtime.createSession(encodeModel(model), { device: 'cpu', threads: 1 });
      await session.bind({ x: array(shapes.x, 0.7), filter: array(shapes.filter, 1.3) }, results)();
      await session.release();
    } catch {
      return undefined; // the provider lacks these operators
    }
    const [plain, blocked] = [results['plain']!.data, results['blocked']!.data];
    if (plain.every((value, i) => Math.abs(value - blocked[i]!) <= 1e-4)) return blockedConvolutions(block);
  }
  return undefined;
}

/** Arrays for the outputs of a model of known shapes. */
function resultsOf({ outputs }: OnnxModel): Record<string, NdArray> {
  return Object.fromEntries(
    outputs.map(({ name, dims }) => [name, emptyArray({ dtype: 'float32', shape: dims as readonly number[] })]),
  );
}
