/**
 * The state of a training as a table: what it consists of, how each entry begins, which checkpoint file holds it, and how
 * it is trained. Initial state, training step, gradient accumulation, checkpoints and their size all iterate over it.
 */
import { initializeFlat } from '@dm/models';
import { type Arrays, float32, type FlatLayout } from '@dm/ops';
import type { Optimizer } from '@dm/optim';
import type { TrainingSetup } from './training-setup.js';
import { uncertaintyChannels } from './uncertainty.js';

/** What the table is made from. */
export type StateSetup = Pick<
  TrainingSetup,
  'config' | 'layout' | 'bufferLayout' | 'averages' | 'optimizer' | 'uncertainty'
>;

/** A vector of the state, float32 [size]. */
export interface StateEntry {
  readonly name: string;
  readonly size: number;
  /** What it is at the start: the model's parameters, the model's fixed tables, or zeros. */
  readonly init: 'params' | 'buffers' | 'zeros';
  /** Checkpoint files that hold it, read back from the first; none for what lives within a step alone. */
  readonly files: readonly string[];
  /**
   * How a file holds it: a layout's tensors, each named `<prefix><name>`, in PyTorch's layout; without one as a single
   * tensor [1, size] of the entry's name.
   */
  readonly tensors?: { readonly layout: FlatLayout; readonly prefix: string };
}

/** An entry that is trained, and how. */
export interface TrainedEntry extends StateEntry {
  readonly optimizer: Optimizer;
  /** Its gradient is scaled down to this 2-norm, its own and no other's; null does not clip. */
  readonly maxGradNorm: number | null;
  /** Before the names of its gradient, its optimizer's slots and the optimizer's scalars: none for the model. */
  readonly prefix: string;
}

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

/** The model's parameters, first, and the weight of a learned uncertainty. */
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

/** The whole table; gradients are in it if they are accumulated over micro-batches. */
export function stateEntries(setup: StateSetup): readonly StateEntry[] {
  const { config, layout, bufferLayout, averages } = setup;
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
    ...(config.gradientAccumulation > 1 ? gradients : []),
  ];
}

/** Of the gradient of an entry with this prefix. */
export function gradientName(prefix: string): string {
  return `${prefix}gradients`;
}

/** A tensor of a checkpoint that is no state: the seed determines it. */
export interface FileConstant {
  readonly name: string;
  readonly file: string;
  readonly values: Float32Array;
}

/** What checkpoints hold besides, for other readers. */
export function fileConstants({ uncertainty }: StateSetup): readonly FileConstant[] {
  if (uncertainty === undefined) return [];
  const { frequencies, phases } = uncertainty;
  return Object.entries({ frequencies, phases }).map(([name, values]) => {
    return { name: `uncertainty.${name}`, file: uncertaintyFile, values };
  });
}

/** Bytes of all entries. */
export function stateBytes(setup: StateSetup): number {
  return 4 * sum(stateEntries(setup).map(({ size }) => size));
}

/** Bytes of a checkpoint's tensors. */
export function tensorBytes(setup: StateSetup): number {
  const ofEntries = stateEntries(setup).map(({ size, files }) => size * files.length);
  return 4 * sum([...ofEntries, ...fileConstants(setup).map(({ values }) => values.length)]);
}

/** What a training with these weights begins with; by default those of the seed. Averages share memory with `params`. */
export function startingState(
  setup: StateSetup & Pick<TrainingSetup, 'model'>,
  weights: Arrays = seedWeights(setup),
): Arrays {
  const saved = stateEntries(setup).filter(({ files }) => files.length > 0);
  return Object.fromEntries(
    saved.map(({ name, size, init }) => [name, init === 'zeros' ? zeros(size) : weights[init]!]),
  );
}

/** Zeros for the entries that no checkpoint has. */
export function unsavedState(setup: StateSetup): Arrays {
  const unsaved = stateEntries(setup).filter(({ files }) => files.length === 0);
  return Object.fromEntries(unsaved.map(({ name, size }) => [name, zeros(size)]));
}

function seedWeights({ model, config }: Pick<TrainingSetup, 'model' | 'config'>): Arrays {
  const { params, buffers } = initializeFlat(model, config.seed);
  return { params: float32(params), ...(buffers.length > 0 && { buffers: float32(buffers) }) };
}

function zeros(size: number): Arrays[string] {
  return float32(new Float32Array(size));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
