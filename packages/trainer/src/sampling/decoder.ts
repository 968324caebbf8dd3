/** Decoding latents to images with an .onnx file, such as the vae_decoder.onnx that Optimum exports. */
import { readRegularFileAsync } from '@dm/files';
import { EngineError, openOnnxFile, type OnnxFile, type OnnxPort } from '@dm/jit';
import { transpose } from '@dm/models';
import { float32 } from '@dm/ops';
import { messageOf, UserError } from '../errors.js';
import type { Images } from '../files/images.js';

/** Names of the decoder's input and output, as in diffusers and Optimum. */
const [inputName, outputName] = ['latent_sample', 'sample'];

/** A protobuf message must be smaller than 2 GiB. */
const maxBytes = 2 ** 31 - 1;

export interface DecoderOptions {
  /** [h, w, C] of one latent. */
  readonly shape: readonly number[];
  /** Latents are divided by this before they are decoded. */
  readonly scale: number;
  readonly threads?: number;
}

export interface LatentDecoder {
  /**
   * Decodes latents [N, h, w, C], in the scale of the data, to images [N, H, W, 1 or 3], nominally in [-1, 1].
   *
   * @throws {UserError} `FILE_INVALID` if the file fails, or its output is not a batch of images
   */
  decode(latents: Images): Promise<Images>;
  dispose(): void;
}

/**
 * Opens a decoder, and decodes one latent of zeros: one input `latent_sample` float32 [B, C, h, w], and an output `sample`
 * float32 [B, 1 or 3, H, W].
 *
 * @throws {UserError} `FILE_INVALID` if it cannot be run, or has other inputs, outputs, or shapes
 */
export async function openDecoder(path: string, options: DecoderOptions): Promise<LatentDecoder> {
  const bytes = await readRegularFileAsync(path, { maxBytes });
  const { shape, scale, threads } = options;
  const file = await openOnnxFile(bytes, threads === undefined ? {} : { threads }).catch((error: unknown) => {
    // Other errors are not the file's fault: the runtime is missing, for example.
    if (!(error instanceof EngineError && error.code === 'RUNTIME_FAILED')) throw error;
    throw invalid(path, `cannot be run: ${messageOf(error)}. Its weights must be inside the file`, error);
  });
  // Fixed in some files. Otherwise one image at a time, which needs the least memory and is as fast.
  const [size] = file.inputs[0]?.shape ?? [];
  const batch = typeof size === 'number' ? size : 1;
  try {
    checkPorts(path, file, shape);
    // A file can refuse sizes that its description allows. Better now than after hours of sampling.
    const [h, w, channels] = shape as [number, number, number];
    const zeros: Images = { images: new Float32Array(h * w * channels), shape: [1, h, w, channels] };
    await decodeBatches(path, file, zeros, { batch, scale });
  } catch (error) {
    file.dispose();
    throw error;
  }
  return {
    decode: (latents) => decodeBatches(path, file, latents, { batch, scale }),
    dispose: () => file.dispose(),
  };
}

const fix =
  'In Python: torch.onnx.export(decoder, (latents,), file, input_names=["latent_sample"], output_names=["sample"], ' +
  'dynamic_axes={"latent_sample": {0: "batch"}, "sample": {0: "batch"}}), in float32';

function invalid(path: string, reason: string, cause?: unknown): UserError {
  return new UserError(`${path} ${reason}. ${fix}.`, { code: 'FILE_INVALID', cause });
}

const describe = ({ name, dtype, shape }: OnnxPort): string =>
  `${name} ${dtype} ${shape === undefined ? 'of any shape' : `[${shape.map((d) => (d === '' ? '?' : d)).join(', ')}]`}`;

/** Whether the sizes of a port can be these; undefined means any. */
function canBe({ dtype, shape }: OnnxPort, sizes: readonly (readonly number[] | undefined)[]): boolean {
  if (dtype !== 'float32') return false;
  return (
    shape === undefined ||
    (shape.length === sizes.length && shape.every((d, i) => typeof d === 'string' || (sizes[i]?.includes(d) ?? d > 0)))
  );
}

function checkPorts(path: string, { inputs, outputs }: OnnxFile, [h, w, channels]: readonly number[]): void {
  const [input] = inputs;
  if (inputs.length !== 1 || input!.name !== inputName || !canBe(input!, [undefined, [channels!], [h!], [w!]])) {
    const expected = `one input, ${inputName} float32 [B, ${channels}, ${h}, ${w}]`;
    throw invalid(path, `has the inputs ${inputs.map(describe).join('; ')}; the decoder of this run has ${expected}`);
  }
  const output = outputs.find(({ name }) => name === outputName);
  if (output === undefined || !canBe(output, [undefined, [1, 3], undefined, undefined])) {
    const expected = `${outputName} float32 [B, 3, H, W] (or 1 channel)`;
    throw invalid(path, `has the outputs ${outputs.map(describe).join('; ')}; a decoder has ${expected}`);
  }
}

async function decodeBatches(
  path: string,
  file: OnnxFile,
  { images: latents, shape, labels }: Images,
  { batch, scale }: { readonly batch: number; readonly scale: number },
): Promise<Images> {
  const [count, ...latentShape] = shape;
  const size = latents.length / count;
  let images: Float32Array | undefined;
  let decoded: Images['shape'] = [count, 0, 0, 0];
  for (let first = 0; first < count; first += batch) {
    // The last batch of a fixed size is filled up with zeros.
    const part = new Float32Array(batch * size);
    part.set(latents.subarray(first * size, Math.min(first + batch, count) * size).map((value) => value / scale));
    const input = transpose(float32(part, [batch, ...latentShape]), [0, 3, 1, 2]);
    // oxlint-disable-next-line no-await-in-loop -- one batch at a time, to save memory
    const { [outputName]: output } = await file.run({ [inputName]: input }, [outputName]).catch((error: unknown) => {
      throw invalid(path, `cannot decode latents [${input.shape.join(', ')}]: ${messageOf(error)}`, error);
    });
    const [n, channels, height, width] = output!.shape;
    if (output!.shape.length !== 4 || n !== batch || !(channels === 1 || channels === 3)) {
      const expected = `[${batch}, 3, H, W] (or 1 channel)`;
      throw invalid(
        path,
        `decoded ${batch} latents to ${outputName} [${output!.shape.join(', ')}]; expected ${expected}`,
      );
    }
    decoded = [count, height!, width!, channels];
    const pixels = transpose(output!, [0, 2, 3, 1]).data as Float32Array;
    const imageSize = pixels.length / batch;
    images ??= new Float32Array(count * imageSize);
    images.set(pixels.subarray(0, Math.min(batch, count - first) * imageSize), first * imageSize);
  }
  return { images: images!, shape: decoded, ...(labels !== undefined && { labels }) };
}
