/** Sessions of .onnx files whose output shapes are known only after a call: the runtime allocates the outputs. */
import type { Arrays } from '@dm/ops';
import type { RuntimeSessionOptions } from '../runtime.js';
import { findRuntimeLibrary } from './find-library.js';
import type { Library } from './library.js';
import { apiOf, cStrings, offHeap, openSession, tensorOver } from './runtime.js';

/** The elements of an output, and its shape. */
export interface FileOutput {
  readonly shape: readonly number[];
  /** A copy of the elements, 4 bytes each. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface FileSession {
  /**
   * Runs the graph. `outputs` are names of outputs with elements of 4 bytes; the results are in their order.
   * @throws {EngineError} with the runtime's message, if an input is missing or does not fit, or the call fails
   */
  run(inputs: Arrays, outputs: readonly string[]): Promise<FileOutput[]>;
  release(): void;
}

/**
 * Opens a session on the CPU.
 * @throws {EngineError} if the library is not installed or cannot be loaded, or the runtime refuses the file
 */
export async function openFileSession(file: Uint8Array, settings: RuntimeSessionOptions): Promise<FileSession> {
  const api = await apiOf((await findRuntimeLibrary()).path);
  const { library, memory } = api;
  const session = await openSession(api, file, settings);
  return {
    async run(inputs, outputs) {
      const arrays = Object.values(inputs);
      const given = cStrings(library, Object.keys(inputs));
      const wanted = cStrings(library, outputs);
      const reads = offHeap(BigUint64Array, arrays.length);
      const results = offHeap(BigUint64Array, outputs.length); // zeros, for which the runtime allocates tensors
      try {
        arrays.forEach((array, i) => (reads[i] = tensorOver(library, memory, array)));
        const args = [given.pointers, reads, reads.length, wanted.pointers, results.length, results] as const;
        await library.callAsync('Run', session, null, ...args);
        return [...results].map((value) => readTensor(library, value));
      } finally {
        // The addresses of names and arrays must stay valid until here.
        void [given.text, wanted.text, inputs];
        for (const value of [...reads, ...results]) if (value !== 0n) library.call('ReleaseValue', value);
      }
    },
    release: () => library.call('ReleaseSession', session),
  };
}

function readTensor(library: Library, value: bigint): FileOutput {
  const info = library.make('GetTensorTypeAndShape', value);
  try {
    const rank = Number(library.make('GetDimensionsCount', info));
    const dims = offHeap(BigInt64Array, rank);
    library.call('GetDimensions', info, dims, rank);
    const shape = [...dims].map(Number);
    const size = 4 * shape.reduce((product, d) => product * d, 1);
    return { shape, bytes: library.view(library.make('GetTensorMutableData', value), size).slice() };
  } finally {
    library.call('ReleaseTensorTypeAndShapeInfo', info);
  }
}
