/**
 * The fixed position table of DiT and MAE: for each patch, sines and cosines of its column, then of its row, at
 * frequencies 10000^(-i / (width / 4)), i = 0 .. width/4 - 1. Returns [side² , width] row by row in float32.
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

/** The same, computed when it is first asked for: a model that is only looked at, or refused for its size, has none. */
export function lazyPositionTable(width: number, side: number): () => Float32Array {
  let table: Float32Array | undefined;
  return () => (table ??= positionTable(width, side));
}
