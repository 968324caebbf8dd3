/**
 * The work of a compiled graph, from the shapes of its nodes: floating-point operations of products (two per
 * multiply-add), and bytes that all other operators read and write if each is a single loop over its tensors.
 */

/** @typedef {import('@dm/jit').Graph} Graph */
/** @typedef {{ flops: number, bytes: number }} Work */

/** @param {readonly number[]} shape */
const sizeOf = (shape) => shape.reduce((n, d) => n * d, 1);

/** Elements are float32, except for some masks and indices, which are small. */
const BYTES = 4;

/**
 * Operators without traffic of their own: reshapes rename a tensor, constants exist before the call, and the barrier is
 * there for memory, not for a result.
 */
const free = new Set(['Const', 'Reshape', 'DmOptimizationBarrier']);

/** @param {Graph['nodes'][number]} node @returns {number | undefined} undefined if the node is not a product */
function flopsOf(node) {
  /** @param {string} name */
  const shape = (name) => {
    const i = node.inputNames.indexOf(name);
    if (i < 0) throw new Error(`${node.op} has no input ${name}`);
    return node.inputs[i].shape;
  };
  const y = node.outputs[0].shape;
  /** Positions of an image [N, H, W, C]. @param {readonly number[]} image */
  const positions = (image) => sizeOf(image.slice(0, 3));
  switch (node.op) {
    case 'BatchMatMul':
      return 2 * sizeOf(y) * /** @type {number} */ (shape('a').at(node.attrs.transposeA ? -2 : -1));
    case 'DmConv2D':
      return 2 * positions(y) * sizeOf(shape('filter'));
    case 'DmConv2DGradInput':
      return 2 * positions(shape('dy')) * sizeOf(shape('filter'));
    case 'DmConv2DGradFilter':
      return 2 * positions(shape('dy')) * sizeOf(y);
    case 'DmAttention':
    case 'DmAttentionGrad': {
      const [images, heads, queries, width] = shape('q');
      const [keys, values] = [shape('k')[2], shape('v')[3]];
      // Forward: q kᵀ and probs v. Backward: q kᵀ again, dy vᵀ, ds k, dsᵀ q, and probsᵀ dy.
      const widths = node.op === 'DmAttention' ? width + values : 3 * width + 2 * values;
      return 2 * images * heads * queries * keys * widths;
    }
    default:
      return undefined;
  }
}

/**
 * @throws {Error} if the graph has a product that is not counted here
 * @param {Graph} graph
 * @returns {Work}
 */
export function workOfGraph(graph) {
  let [flops, bytes] = [0, 0];
  for (const node of graph.nodes) {
    const products = flopsOf(node);
    if (products !== undefined) flops += products;
    else if (/Conv|MatMul|Attention/.test(node.op)) throw new Error(`no formula for the operations of ${node.op}`);
    else if (!free.has(node.op)) {
      for (const { shape } of [...node.inputs, ...node.outputs]) bytes += BYTES * sizeOf(shape);
    }
  }
  return { flops, bytes };
}

/** Bytes that the update kernel reads and writes: each of its vectors once. @param {Graph} graph @returns {Work} */
export function workOfUpdate({ inputs, outputs }) {
  return { flops: 0, bytes: BYTES * [...inputs, ...outputs].reduce((sum, { value }) => sum + sizeOf(value.shape), 0) };
}

/**
 * The time that products and traffic need at given rates, one after the other, in milliseconds.
 *
 * @param {Work} work
 * @param {{ gflops: number, gbytes: number }} rates In 1e9 operations and 1e9 bytes per second.
 */
export function rooflineMs({ flops, bytes }, { gflops, gbytes }) {
  const [productMs, trafficMs] = [flops / gflops / 1e6, bytes / gbytes / 1e6];
  return { productMs, trafficMs, rooflineMs: productMs + trafficMs };
}
