import { type Arrays, checkInteger, type NdArray } from '@dm/ops';
import { type OnnxPort, type OnnxPorts, readPorts } from './onnx/read-ports.js';
import { type FileOutput, openFileSession } from './runtime/c-api/file-session.js';
import { defaultThreads } from './runtime/processors.js';

export interface OnnxFileOptions {
  /** Threads within one operator, at least 1. Default: the number of physical cores available to the process. */
  readonly threads?: number;
}

/** An .onnx file, ready to run on the CPU. */
export interface OnnxFile extends OnnxPorts {
  /**
   * Runs the file on its inputs by name; returns its outputs, or those in `names`, by name. Calls may overlap.
   * @throws {RangeError} if one of these outputs does not exist, or is neither float32 nor int32
   * @throws {EngineError} with the runtime's message, if an input is missing or does not fit, or the call fails
   */
  run(inputs: Arrays, names?: readonly string[]): Promise<Arrays>;
  /** Frees the file; calls must have ended. */
  dispose(): void;
}

/**
 * Opens an .onnx file of another program, such as the decoder of an autoencoder, to run it on the CPU through ONNX
 * Runtime's C API. Outputs may have any shape, which the runtime determines. Weights must be inside the file.
 *
 *   const file = await openOnnxFile(await readFile('decoder.onnx'));
 *   const { sample } = await file.run({ latent_sample: float32(latents, [1, 4, 32, 32]) });
 * @throws {RangeError} if `threads` is not a positive integer
 * @throws {EngineError} if ONNX Runtime is not installed or refuses the file
 */
export async function openOnnxFile(file: Uint8Array, options: OnnxFileOptions = {}): Promise<OnnxFile> {
  const { threads = await defaultThreads() } = options;
  checkInteger('openOnnxFile: threads', threads, 1);
  const session = await openFileSession(file, { device: 'cpu', threads });
  let ports: OnnxPorts;
  try {
    ports = readPorts(file);
  } catch (error) {
    session.release();
    throw error;
  }
  return {
    ...ports,
    async run(inputs, names = ports.outputs.map(({ name }) => name)) {
      const wanted = names.map((name) => {
        const port = ports.outputs.find((output) => output.name === name);
        if (port === undefined) throw new RangeError(`the file has no output ${name}`);
        if (port.dtype !== 'float32' && port.dtype !== 'int32') {
          throw new RangeError(`the output ${name} is ${port.dtype}; only float32 and int32 can be read`);
        }
        return port;
      });
      const results = await session.run(inputs, names);
      return Object.fromEntries(wanted.map((port, i) => [port.name, arrayOf(port, results[i]!)]));
    },
    dispose: () => session.release(),
  };
}

function arrayOf({ dtype }: OnnxPort, { shape, bytes: { buffer } }: FileOutput): NdArray {
  return dtype === 'int32'
    ? { dtype, shape, data: new Int32Array(buffer) }
    : { dtype: 'float32', shape, data: new Float32Array(buffer) };
}
