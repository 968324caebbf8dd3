/**
 * The training state as a table of entries: initial value, checkpoint file and optimizer of each. Initialization, training
 * step, gradient accumulation, checkpoints and their size all iterate over it.
 */
import { initializeFlat } from '@dm/models';
import { type Arrays, float32, type FlatLayout, type NdArray } from '@dm/ops';
import type { Optimizer } from '@dm/optim';
import type { TrainingSetup } from './training-setup.js';
import { uncertaintyChannels } from './uncertainty.js';

/** The parts of a setup that determine the table. */
export type StateSetup = Pick<
  TrainingSetup,
  'config' | 'layout' | 'bufferLayout' | 'averages' | 'optimizer' | 'uncertainty' | 'group'
>;

/** A vector of the state, float32 [size]. */
export interface StateEntry {
  readonly name: string;
  readonly size: number;
  /** Initial value: the model's parameters, the model's buffers, or zeros. */
  readonly init: 'params' | 'buffers' | 'zeros';
  /** Checkpoint files that contain it (read from the first); empty for entries that exist only within a step. */
  readonly files: readonly string[];
  /**
   * How it is stored in a file: as tensors of `layout`, named `<prefix><name>`, in PyTorch's layout. If absent: as a single
   * tensor [1, size] with the entry's name.
   */
  readonly tensors?: { readonly layout: FlatLayout; readonly prefix: string };
}

/** A trained entry, and its optimizer. */
export interface TrainedEntry extends StateEntry {
  readonly optimizer: Optimizer;
  /** Gradient clipping: largest 2-norm of the gradient of this entry; null for no clipping. */
  readonly maxGradNorm: number | null;
  /** Prefix of the names of its gradient, its optimizer slots and the optimizer's scalars; empty for the model. */
  readonly prefix: string;
}

/**
 * Files of a checkpoint. All tensors have the names and layouts of the reference implementation (PyTorch's OIHW and
 * [out, in]): model and ema as in its state dict, optimizer `<slot>.<name>`, such as `m.conv_in.weight`. A learned
 * uncertainty is in a separate file, which model readers ignore.
 */
export const modelFile = 'model.safetensors';
export const emaFile = 'ema.safetensors';
/** The file name of an entry: `ema.safetensors` for `ema`. */
export const fileOf = (name: string): string => `${name}.safetensors`;
export const optimizerFile = 'optimizer.safetensors';
const uncertaintyFile = 'uncertainty.safetensors';

/** The trained entries: the model's parameters first, then the weights of a learned uncertainty, if any. */
export function trainedEntries({
  config,
  layout,
  optimizer,
  uncertainty,
}: StateSetup): readonly [TrainedEntry, ...TrainedEntry[]] {
  const { maxGradNorm } = config.optimizer;
  const model: TrainedEntry = {
    name: 'params',
    size: layout.size,
    init: 'params',
    files: [modelFile],
    tensors: { layout, prefix: '' },
    optimizer,
    maxGradNorm,
    prefix: '',
  };
  if (uncertainty === undefined) return [model];
  const head: TrainedEntry = {
    name: 'uncertainty',
    size: uncertaintyChannels,
    init: 'zeros',
    files: [uncertaintyFile],
    optimizer: uncertainty.optimizer,
    maxGradNorm,
    prefix: 'uncertainty.',
  };
  return [model, head];
}

/** Whether the gradient is an entry of the state: if micro-batches or other ranks add to it. */
export function keepsGradients({ config, group }: Pick<StateSetup, 'config' | 'group'>): boolean {
  return config.gradientAccumulation > 1 || group.size > 1;
}

/** The complete table; it includes gradients if they are accumulated over micro-batches or ranks. */
export function stateEntries(setup: StateSetup): readonly StateEntry[] {
  const { layout, bufferLayout, averages } = setup;
  const trained = trainedEntries(setup);
  const [model, ...heads] = trained;
  const tensors = { layout, prefix: '' };
  const averageEntries = averages.map(({ name }): StateEntry => {
    return { name, size: layout.size, init: 'params', files: [fileOf(name)], tensors };
  });
  const modelSlots = model.optimizer.slots.map((name): StateEntry => {
    return { name, size: layout.size, init: 'zeros', files: [optimizerFile], tensors: { layout, prefix: `${name}.` } };
  });
  const buffers: StateEntry = {
    name: 'buffers',
    size: bufferLayout.size,
    init: 'buffers',
    files: [modelFile, ...averages.map(({ name }) => fileOf(name))],
    tensors: { layout: bufferLayout, prefix: '' },
  };
  const headEntries = heads.flatMap((head): StateEntry[] => {
    const { size, files, prefix, optimizer } = head;
    return [head, ...optimizer.slots.map((slot) => ({ name: prefix + slot, size, init: 'zeros', files }) as const)];
  });
  const gradients = trained.map(
    ({ prefix, size }) => ({ name: gradientName(prefix), size, init: 'zeros', files: [] }) as const,
  );
  return [
    model,
    ...averageEntries,
    ...modelSlots,
    ...(bufferLayout.size > 0 ? [buffers] : []),
    ...headEntries,
    ...(keepsGradients(setup) ? gradients : []),
  ];
}

/** The name of the gradient of an entry with this prefix. */
export function gradientName(prefix: string): string {
  return `${prefix}gradients`;
}

/** A constant tensor in a checkpoint, determined by the seed. */
export interface FileConstant {
  readonly name: string;
  readonly file: string;
  readonly values: Float32Array;
}

/** The constant tensors in checkpoints, for use by other programs. */
export function fileConstants({ uncertainty }: StateSetup): readonly FileConstant[] {
  if (uncertainty === undefined) return [];
  const { frequencies, phases } = uncertainty;
  return Object.entries({ frequencies, phases }).map(([name, values]) => {
    return { name: `uncertainty.${name}`, file: uncertaintyFile, values };
  });
}

/** Total size of all entries, in bytes. */
export function stateBytes(setup: StateSetup): number {
  return 4 * sum(stateEntries(setup).map(({ size }) => size));
}

/** Total size of the tensors in a checkpoint, in bytes. */
export function tensorBytes(setup: StateSetup): number {
  const ofEntries = stateEntries(setup).map(({ size, files }) => size * files.length);
  return 4 * sum([...ofEntries, ...fileConstants(setup).map(({ values }) => values.length)]);
}

/** The initial training state with these weights (default: drawn from the seed). Averages share memory with `params`. */
export function startingState(
  setup: StateSetup & Pick<TrainingSetup, 'model'>,
  weights: Arrays = seedWeights(setup),
): Arrays {
  const saved = stateEntries(setup).filter(({ files }) => files.length > 0);
  const start: Arrays = { ...weights, params: normalizedParams(setup, weights['params']!) };
  return Object.fromEntries(saved.map(({ name, size, init }) => [name, init === 'zeros' ? zeros(size) : start[init]!]));
}

/** Separate zeros for the entries that are in checkpoints, to receive their values from another rank. */
export function emptyState(setup: StateSetup): Arrays {
  const saved = stateEntries(setup).filter(({ files }) => files.length > 0);
  return Object.fromEntries(saved.map(({ name, size }) => [name, zeros(size)]));
}

/** Zeros for the entries that are not in checkpoints. */
export function unsavedState(setup: StateSetup): Arrays {
  const unsaved = stateEntries(setup).filter(({ files }) => files.length === 0);
  return Object.fromEntries(unsaved.map(({ name, size }) => [name, zeros(size)]));
}

function seedWeights({ model, config }: Pick<TrainingSetup, 'model' | 'config'>): Arrays {
  const { params, buffers } = initializeFlat(model, config.seed);
  return { params: float32(params), ...(buffers.length > 0 && { buffers: float32(buffers) }) };
}

function normalizedParams({ model, layout }: StateSetup & Pick<TrainingSetup, 'model'>, params: NdArray): NdArray {
  const { normalization } = model;
  return normalization === undefined ? params : float32(normalization.ofArray(params.data as Float32Array, layout));
}

function zeros(size: number): Arrays[string] {
  return float32(new Float32Array(size));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
