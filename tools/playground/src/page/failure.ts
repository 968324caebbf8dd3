/** A plain message for an error of the training worker. */
export function failureMessage(message: string, code: string | undefined): string {
  if (code === 'DEVICE_UNUSABLE') {
    return (
      'This browser cannot train on the GPU: it needs WebGPU and WebAssembly JSPI (Chrome or Edge 137 or later). Choose ' +
      `the device CPU under “More settings”. (${message})`
    );
  }
  if (code === 'DEVICE_FAILED') {
    return `The GPU stopped. Reload the page: the run continues from the pictures that were saved last. (${message})`;
  }
  if (code === 'MEMORY_EXHAUSTED' || (code === undefined && /memory|allocat/i.test(message))) {
    return `There is not enough memory. Close other tabs, or choose smaller pictures or fewer images per step. (${message})`;
  }
  if (code === 'LOSS_NOT_FINITE') {
    return `Training diverged. Press Reset, and choose a smaller learning rate. (${message})`;
  }
  return `Training stopped with an error: ${message}`;
}
