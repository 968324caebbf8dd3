/** What the operators of ONNX Runtime do, for tables of the time of a call. */

/** @typedef {{ readonly op: string, readonly ms: number, readonly flops: number }} Node */
/** @typedef {{ readonly name: string, readonly ms: number, readonly flops: number }} ClassTime */

/** @type {Readonly<Record<string, readonly string[]>>} */
const classes = {
  convolutions: ['Conv', 'ConvTranspose', 'FusedConv'],
  'matrix products': ['MatMul', 'FusedMatMul', 'Gemm', 'FusedGemm'],
  layouts: [
    'Transpose',
    'ReorderInput',
    'ReorderOutput',
    'Pad',
    'Concat',
    'Slice',
    'Split',
    'Gather',
    'Expand',
    'Tile',
    'Reshape',
    'Unsqueeze',
    'Squeeze',
    'Identity',
    'Upsample',
    'Resize',
  ],
  'norms, softmax, and sums': [
    'LayerNormalization',
    'SimplifiedLayerNormalization',
    'InstanceNormalization',
    'GroupNorm',
    'BatchNormalization',
    'Softmax',
    'ReduceSum',
    'ReduceMean',
    'ReduceSumSquare',
    'ReduceMax',
    'ReduceL2',
    'AveragePool',
    'GlobalAveragePool',
  ],
  'update of the state': ['update kernel'],
};

/** All others. */
const elementWise = 'element-wise operators';

/** Time and operations of each class, in the order above. @param {readonly Node[]} nodes @returns {ClassTime[]} */
export function byClass(nodes) {
  const names = [...Object.keys(classes), elementWise];
  const totals = new Map(names.map((name) => [name, { ms: 0, flops: 0 }]));
  for (const { op, ms, flops } of nodes) {
    const name = Object.entries(classes).find(([, ops]) => ops.includes(op))?.[0] ?? elementWise;
    const total = /** @type {{ ms: number, flops: number }} */ (totals.get(name));
    total.ms += ms;
    total.flops += flops;
  }
  return [...totals].map(([name, total]) => ({ name, ...total }));
}
