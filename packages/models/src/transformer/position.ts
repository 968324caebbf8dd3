/**
 * The fixed 2-D sinusoidal position embedding of DiT and MAE (`get_2d_sincos_pos_embed` of facebookresearch/DiT,
 * https://github.com/facebookresearch/DiT/blob/main/models.py): for each patch, sines and cosines of its column, then
 * of its row, at the frequencies 10000^(-i / (width / 4)), i = 0, ..., width/4 - 1. Returns [side², width], row-major.
 */
function positionTable(width: number, side: number): Float32Array {
  const quarter = width / 4;
  const table = new Float32Array(side * side * width);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const at = (row * side + column) * width;
      for (let i = 0; i < quarter; i++) {
        const omega = 1 / 10000 ** (i / quarter);
        table[at + i] = Math.sin(column * omega);
        table[at + quarter + i] = Math.cos(column * omega);
        table[at + 2 * quarter + i] = Math.sin(row * omega);
        table[at + 3 * quarter + i] = Math.cos(row * omega);
      }
    }
  }
  return table;
}

/** `positionTable`, computed on first use: inspecting a model does not allocate the table. */
export function lazyPositionTable(width: number, side: number): () => Float32Array {
  let table: Float32Array | undefined;
  return () => (table ??= positionTable(width, side));
}
