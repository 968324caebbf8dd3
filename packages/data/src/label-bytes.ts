/** Labels as little-endian int32, independent of the machine's byte order. */
export function labelBytes(labels: Int32Array): Uint8Array {
  const bytes = new Uint8Array(labels.length * 4);
  const view = new DataView(bytes.buffer);
  labels.forEach((label, i) => view.setInt32(i * 4, label, true));
  return bytes;
}
