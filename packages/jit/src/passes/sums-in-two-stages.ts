import { type Attrs, type Graph, rewrite, sizeOf, type Value } from '../graph/graph.js';

/** Shorter sums take one step: a second operator costs more than it gains. */
const SHORTEST = 2 ** 13;

/**
 * Sums all elements of a long tensor in two stages: as about √n rows, then over the sums of the rows. On a device, one
 * thread or workgroup computes each element of a reduction's result, so a sum to one number would leave the rest of the
 * device idle. The sum of a gradient's squares is such a sum. Zeros fill up the last row.
 */
export function sumsInTwoStages(graph: Graph): Graph {
  return rewrite(graph, (node, builder) => {
    const x = node.inputs[0];
    if (node.op !== 'Sum' || x === undefined || x.dtype !== 'float32') return undefined;
    const size = sizeOf(x.shape);
    if (size < SHORTEST || sizeOf(node.outputs[0]!.shape) !== 1) return undefined;
    const { callSite, scope } = node;
    const emit = (op: string, input: Value, attrs: Attrs, shape: readonly number[]) =>
      builder.emit({ op, inputs: [input], inputNames: ['x'], attrs, callSite, scope }, [
        { shape, dtype: 'float32' },
      ])[0]!;
    const rows = 2 ** Math.floor(Math.log2(size) / 2);
    const columns = Math.ceil(size / rows);
    const padding = rows * columns - size;
    const flat = emit('Reshape', x, { shape: [size] }, [size]);
    const full =
      padding === 0 ? flat : emit('PadV2', flat, { paddings: [[0, padding]], constantValue: 0 }, [rows * columns]);
    const matrix = emit('Reshape', full, { shape: [rows, columns] }, [rows, columns]);
    const sums = emit('Sum', matrix, { axis: [1], keepDims: false }, [rows]);
    const total = emit('Sum', sums, { axis: [0], keepDims: false }, []);
    return [emit('Reshape', total, { shape: node.outputs[0]!.shape }, node.outputs[0]!.shape)];
  });
}
