/** Conversion of the training state to and from the files of a checkpoint. */
import type { ScheduleState } from '@dm/curriculum';
import { formatNpy, parseNpy } from '@dm/data';
import {
  flatten,
  fromTorch,
  loadWeights,
  type Model,
  parseSafetensors,
  safetensorsHeader,
  torchAxes,
  torchShape,
} from '@dm/models';
import { type Arrays, DmError, float32, type FlatLayout, type NdArray, viewFlat } from '@dm/ops';
import { rawBytes, type Checkpoint, type FileContent } from './content.js';
import { messageOf, UserError } from '../errors.js';
import type { Denoiser } from '../setup/denoiser.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { fileConstants, fileOf, stateEntries, type StateEntry } from '../setup/state-table.js';

/**
 * The files of a checkpoint, by name. They contain views of `state`, which must not change until they are written, but
 * share no memory with `curriculumState`.
 */
export function packState(
  setup: TrainingSetup,
  state: Arrays,
  curriculumState: ScheduleState | undefined,
): Record<string, FileContent> {
  const files = new Map<string, StoredTensor[]>();
  const add = (file: string, tensors: readonly StoredTensor[]) =>
    files.set(file, [...(files.get(file) ?? []), ...tensors]);
  for (const entry of stateEntries(setup)) {
    for (const file of entry.files) add(file, storedTensors(setup.model, entry, state[entry.name]!));
  }
  for (const { name, file, values } of fileConstants(setup)) {
    add(file, [{ name, array: float32(values), shape: [values.length], axes: undefined }]);
  }
  return {
    ...Object.fromEntries([...files].map(([file, tensors]) => [file, safetensorsContent(tensors)])),
    ...Object.fromEntries(
      Object.entries(curriculumState ?? {}).map(([name, data]) => [
        `curriculum.${name}.npy`,
        [formatNpy({ shape: [data.length], data })],
      ]),
    ),
  };
}

/**
 * The inverse of `packState`.
 *
 * @throws {Error} if a file or tensor is missing or has the wrong size
 */
export function unpackState(
  setup: TrainingSetup,
  checkpoint: Checkpoint,
): { readonly arrays: Arrays; readonly curriculumState?: ScheduleState } {
  const saved = stateEntries(setup).filter(({ files }) => files.length > 0);
  const parsed = new Map<string, Arrays>();
  const tensorsOf = (file: string): Arrays => {
    const tensors = parsed.get(file) ?? readTensors(checkpoint, file);
    parsed.set(file, tensors);
    return tensors;
  };
  const read = ({ name, size, files: [file], tensors }: StateEntry): Float32Array => {
    if (tensors === undefined) return vectorOf(tensorsOf(file!)[name], name, size, `${checkpoint.path}/${file}`);
    const { layout, prefix } = tensors;
    return explained(`${checkpoint.path}/${file}`, () => {
      if (prefix === '') return flatten(loadWeights(setup.model, tensorsOf(file!)), layout);
      return flatten(fromTorch(setup.model, slotOf(tensorsOf(file!), prefix, layout)), layout);
    });
  };
  const arrays = Object.fromEntries(saved.map((entry) => [entry.name, float32(read(entry))]));
  const curriculumState = readCurriculumState(setup, checkpoint);
  return curriculumState === undefined ? { arrays } : { arrays, curriculumState };
}

function vectorOf(tensor: NdArray | undefined, name: string, size: number, path: string): Float32Array {
  if (!(tensor?.data instanceof Float32Array) || tensor.data.length !== size) {
    throw new UserError(`${path} does not contain ${name} with ${size} float32 values.`, {
      code: 'CHECKPOINT_INVALID',
    });
  }
  return tensor.data;
}

/** The tensors of an optimizer slot, by the names of the parameters in `layout`. */
function slotOf(tensors: Arrays, prefix: string, layout: FlatLayout): Arrays {
  const lacking = layout.entries.filter(({ name }) => tensors[prefix + name]?.dtype !== 'float32');
  if (lacking.length > 0) {
    const names = lacking.map(({ name }) => prefix + name).join(', ');
    throw new DmError(`there is no float32 tensor ${names}.`, { code: 'CHECKPOINT_INVALID' });
  }
  const own = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/** Adds the file name to whatever `read` throws. */
export function explained<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof UserError
      ? error
      : new UserError(`${path}: ${messageOf(error)}`, { code: 'CHECKPOINT_INVALID' });
  }
}

/** Weights for sampling as state entries `params` and `buffers`. `which` is `model` or the name of an average, such as `ema`. */
export function readWeights(denoiser: Denoiser, checkpoint: Checkpoint, which: string): Arrays {
  const file = fileOf(which);
  return explained(`${checkpoint.path}/${file}`, () => weightsState(denoiser, readTensors(checkpoint, file)));
}

/**
 * The tensors of a file with weights as state entries `params` and `buffers`.
 *
 * @throws {Error} if they do not fit the model
 */
export function weightsState({ model, layout, bufferLayout }: Denoiser, file: Arrays): Arrays {
  const tensors = loadWeights(model, file);
  return {
    params: float32(flatten(tensors, layout)),
    ...(bufferLayout.size > 0 && { buffers: float32(flatten(tensors, bufferLayout)) }),
  };
}

/** A tensor in memory layout, with its name in a file. */
interface StoredTensor {
  readonly name: string;
  readonly array: NdArray;
  readonly shape: readonly number[];
  readonly axes: readonly number[] | undefined;
}

/** The tensors of an entry that a file contains, as views of its array. */
function storedTensors({ specs }: Model, { name, size, tensors }: StateEntry, array: NdArray): StoredTensor[] {
  if (tensors === undefined) return [{ name, array, shape: [1, size], axes: undefined }];
  return Object.entries(viewFlat(array.data as Float32Array, tensors.layout)).map(([of, part]) => {
    const spec = specs[of]!;
    return { name: tensors.prefix + of, array: part, shape: torchShape(spec), axes: torchAxes(spec) };
  });
}

/** The parts of a safetensors file. */
function safetensorsContent(tensors: readonly StoredTensor[]): FileContent {
  const named = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const described = tensors.map(({ name, array, shape }) => [name, { dtype: array.dtype, shape }] as const);
  const { bytes, order } = safetensorsHeader(Object.fromEntries(described));
  const parts = order.map((name) => {
    const { array, axes } = named.get(name)!;
    return axes === undefined ? rawBytes(array) : { array, axes };
  });
  return [bytes, ...parts];
}

function readTensors(checkpoint: Checkpoint, file: string): Record<string, NdArray> {
  const bytes = bytesOf(checkpoint, file);
  return explained(`${checkpoint.path}/${file}`, () => parseSafetensors(bytes).tensors);
}

/** The state of an adaptive curriculum, with the array types of its initial state. */
function readCurriculumState({ curriculum }: TrainingSetup, checkpoint: Checkpoint): ScheduleState | undefined {
  const initial = curriculum.initialState?.();
  if (initial === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(initial).map(([name, values]) => {
      const file = `curriculum.${name}.npy`;
      const path = `${checkpoint.path}/${file}`;
      const { data } = parseNpy(bytesOf(checkpoint, file), path);
      if (data.constructor !== values.constructor || data.length !== values.length) {
        throw new UserError(
          `${path} is ${data.constructor.name} of ${data.length}, not ${values.constructor.name} of ${values.length}.`,
          { code: 'CHECKPOINT_INVALID' },
        );
      }
      return [name, data as ScheduleState[string]];
    }),
  );
}

function bytesOf({ path, files }: Checkpoint, name: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes === undefined)
    throw new UserError(`${path} has no ${name} in its manifest.`, { code: 'CHECKPOINT_INVALID' });
  return bytes;
}
