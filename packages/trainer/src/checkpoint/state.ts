/** The state of a training: how it begins, and its way into the files of a checkpoint and back. */
import type { ScheduleState } from '@dm/curriculum';
import { formatNpy, parseNpy } from '@dm/data';
import {
  flatten,
  fromTorch,
  initializeFlat,
  loadWeights,
  type Model,
  parseSafetensors,
  safetensorsHeader,
  torchAxes,
  torchShape,
} from '@dm/models';
import { type Arrays, float32, type NdArray, viewFlat } from '@dm/ops';
import { resolveCheckpoint, rawBytes, type Checkpoint, type FileContent } from './checkpoint.js';
import { messageOf, UserError } from '../errors.js';
import { readFileChunked } from '../files/read-file.js';
import type { Denoiser } from '../setup/denoiser.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { uncertaintyChannels, uncertaintyEntries, type Uncertainty } from '../setup/uncertainty.js';

/**
 * Files of a checkpoint. All tensors have the names and layouts of the reference (PyTorch's OIHW and [out, in]):
 * model and ema those of its state dict, optimizer `<slot>.<name>`, such as `m.conv_in.weight`. A learned uncertainty has
 * a file of its own, so that nothing that reads a model meets it.
 */
export const modelFile = 'model.safetensors';
export const emaFile = 'ema.safetensors';
/** Of a part of the state: `ema.safetensors`. */
export const fileOf = (name: string): string => `${name}.safetensors`;
export const optimizerFile = 'optimizer.safetensors';
const uncertaintyFile = 'uncertainty.safetensors';

/**
 * `params`, the averages (copies), zero slots, `buffers` where there are any, and a learned uncertainty's part: the seed's
 * weights, or those that `config.initFrom` names. Throws an Error where these are not there or do not fit the model.
 */
export function initialState(setup: TrainingSetup): Arrays {
  const { layout, optimizer, averages, uncertainty } = setup;
  const { params, ...buffers } = initialWeights(setup);
  return {
    params: params!,
    ...Object.fromEntries(averages.map(({ name }) => [name, params!])),
    ...optimizer.init(layout.size),
    ...buffers,
    ...(uncertainty &&
      Object.fromEntries(
        uncertaintyEntries(uncertainty).map((name) => [name, float32(new Float32Array(uncertaintyChannels))]),
      )),
  };
}

function initialWeights(setup: TrainingSetup): Arrays {
  const { model, config } = setup;
  const { initFrom } = config;
  if (initFrom?.endsWith('.safetensors') === true) return weightsState(setup, readTensorFile(initFrom));
  if (initFrom !== undefined) return readWeights(setup, resolveCheckpoint(initFrom, [emaFile]), 'ema');
  const { params, buffers } = initializeFlat(model, config.seed);
  return { params: float32(params), ...(buffers.length > 0 && { buffers: float32(buffers) }) };
}

/**
 * The files of a checkpoint, by name. They hold views of `state`, which must not change until they are written, and
 * share no memory with `schedule`.
 */
export function packState(
  setup: TrainingSetup,
  state: Arrays,
  schedule: ScheduleState | undefined,
): Record<string, FileContent> {
  const { model, optimizer, layout, averages, uncertainty } = setup;
  const slots = optimizer.slots.flatMap((slot) =>
    storedTensors(model, viewFlat(dataOf(state, slot), layout), `${slot}.`),
  );
  return {
    [modelFile]: safetensorsContent(weightsOf(setup, state, 'params')),
    ...Object.fromEntries(
      averages.map(({ name }) => [fileOf(name), safetensorsContent(weightsOf(setup, state, name))]),
    ),
    [optimizerFile]: safetensorsContent(slots),
    ...(uncertainty && { [uncertaintyFile]: safetensorsContent(uncertaintyTensors(uncertainty, state)) }),
    ...Object.fromEntries(
      Object.entries(schedule ?? {}).map(([name, data]) => [
        `curriculum.${name}.npy`,
        [formatNpy({ shape: [data.length], data })],
      ]),
    ),
  };
}

/** What `packState` packed. Throws an Error where a file or tensor is missing or does not fit. */
export function unpackState(
  setup: TrainingSetup,
  checkpoint: Checkpoint,
): { readonly arrays: Arrays; readonly schedule?: ScheduleState } {
  const { model, layout, bufferLayout, optimizer, averages, uncertainty } = setup;
  const weights = loadWeights(model, readTensors(checkpoint, modelFile));
  const slots = readTensors(checkpoint, optimizerFile);
  const arrays: Record<string, NdArray> = {
    params: float32(flatten(weights, layout)),
  };
  for (const { name } of averages) {
    arrays[name] = float32(flatten(loadWeights(model, readTensors(checkpoint, fileOf(name))), layout));
  }
  for (const slot of optimizer.slots) {
    const prefix = `${slot}.`;
    const tensors = Object.entries(slots)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor] as const);
    arrays[slot] = float32(flatten(fromTorch(model, Object.fromEntries(tensors)), layout));
  }
  if (bufferLayout.size > 0) arrays['buffers'] = float32(flatten(weights, bufferLayout));
  if (uncertainty) Object.assign(arrays, readUncertainty(uncertainty, checkpoint));
  const schedule = readSchedule(setup, checkpoint);
  return schedule === undefined ? { arrays } : { arrays, schedule };
}

/** Weights for sampling, as the state `params` and `buffers`: `model`, or an average by its name, such as `ema`. */
export function readWeights(denoiser: Denoiser, checkpoint: Checkpoint, which: string): Arrays {
  return weightsState(denoiser, readTensors(checkpoint, fileOf(which)));
}

function weightsState({ model, layout, bufferLayout }: Denoiser, file: Arrays): Arrays {
  const tensors = loadWeights(model, file);
  return {
    params: float32(flatten(tensors, layout)),
    ...(bufferLayout.size > 0 && { buffers: float32(flatten(tensors, bufferLayout)) }),
  };
}

/** A tensor in memory's layout, with what a file has it under. */
interface StoredTensor {
  readonly name: string;
  readonly array: NdArray;
  readonly shape: readonly number[];
  readonly axes: readonly number[] | undefined;
}

/** Parameters out of one vector, and the model's buffers. */
function weightsOf({ model, layout, bufferLayout }: Denoiser, state: Arrays, name: string): StoredTensor[] {
  return [
    ...storedTensors(model, viewFlat(dataOf(state, name), layout)),
    ...(bufferLayout.size > 0 ? storedTensors(model, viewFlat(dataOf(state, 'buffers'), bufferLayout)) : []),
  ];
}

function storedTensors({ specs }: Model, arrays: Arrays, prefix = ''): StoredTensor[] {
  return Object.entries(arrays).map(([name, array]) => {
    const spec = specs[name]!;
    return { name: prefix + name, array, shape: torchShape(spec), axes: torchAxes(spec) };
  });
}

/** The head's weight [1, C] and its moments, and the constants of its features: the seed has them, other readers do not. */
function uncertaintyTensors(head: Uncertainty, state: Arrays): StoredTensor[] {
  const weights = uncertaintyEntries(head).map((name) => {
    const array = state[name]!;
    return { name, array, shape: [1, ...array.shape] };
  });
  const constants = (['frequencies', 'phases'] as const).map((name) => {
    const array = float32(head[name]);
    return { name: `uncertainty.${name}`, array, shape: array.shape };
  });
  return [...weights, ...constants].map((tensor) => ({ ...tensor, axes: undefined }));
}

function readUncertainty(head: Uncertainty, checkpoint: Checkpoint): Arrays {
  const tensors = readTensors(checkpoint, uncertaintyFile);
  return Object.fromEntries(
    uncertaintyEntries(head).map((name) => {
      const tensor = tensors[name];
      if (tensor?.data.length !== uncertaintyChannels) {
        throw new UserError(`${checkpoint.path}/${uncertaintyFile} has no ${name} of ${uncertaintyChannels} numbers.`, {
          code: 'CHECKPOINT_INVALID',
        });
      }
      return [name, float32(tensor.data as Float32Array)];
    }),
  );
}

/** A safetensors file in parts. */
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

function readTensorFile(path: string): Arrays {
  let bytes: Uint8Array;
  try {
    bytes = readFileChunked(path);
  } catch (error) {
    throw new UserError(`The weights to start from cannot be read: ${messageOf(error)}`, {
      code: 'CHECKPOINT_INVALID',
    });
  }
  return parseSafetensors(bytes).tensors;
}

function readTensors(checkpoint: Checkpoint, file: string): Record<string, NdArray> {
  return parseSafetensors(bytesOf(checkpoint, file)).tensors;
}

/** The state of a curriculum that learns, in arrays of the kinds that it began with. */
function readSchedule({ curriculum }: TrainingSetup, checkpoint: Checkpoint): ScheduleState | undefined {
  const initial = curriculum.initialState?.();
  if (initial === undefined) return undefined;
  return Object.fromEntries(
    Object.keys(initial).map((name) => {
      const file = `curriculum.${name}.npy`;
      return [name, parseNpy(bytesOf(checkpoint, file), `${checkpoint.path}/${file}`).data as ScheduleState[string]];
    }),
  );
}

function bytesOf({ path, files }: Checkpoint, name: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes === undefined)
    throw new UserError(`${path} has no ${name} in its manifest.`, { code: 'CHECKPOINT_INVALID' });
  return bytes;
}

function dataOf(state: Arrays, name: string): Float32Array {
  return state[name]!.data as Float32Array;
}
