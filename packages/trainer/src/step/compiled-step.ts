/** The compiled training step, with its state in the engine. */
import { type Arrays, type CompiledProgram, type Engine, type NdArray, scalar, type StateHandle } from '@dm/ops';
import type { GradScaler } from '@dm/optim';
import { stepInputs, updateScalars, type Batch, type DrawnTimesteps } from './batch.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { checkPrecision, createGradScaler } from './precision.js';
import { accumulationStep, trainingStep, updateStep } from './step-program.js';
import { gradientName, trainedEntries, unsavedState } from '../setup/state-table.js';

export interface StepResult {
  /** Weighted mean loss of the batch. */
  readonly loss: number;
  /** Unweighted loss of each example. */
  readonly losses: Float32Array;
  /** 2-norm of the gradient, before clipping. */
  readonly gradNorm: number;
  /** Whether loss and gradient are finite. If not, the step did not change the state. */
  readonly isFinite: boolean;
  /** If the loss is scaled: its factor in this step, and in the next one. */
  readonly gradScale?: { readonly used: number; readonly next: number };
  /** With several ranks: seconds that this one waited for others and exchanged data, and each rank's seconds before that. */
  readonly exchange?: { readonly seconds: number; readonly computed: readonly number[] };
}

export interface CompiledStep {
  /** Parameters, averages and slots (see `initialState`), and gradients if they are accumulated. */
  readonly state: StateHandle;
  /** The scale of the loss, with a precision of float16. */
  readonly gradScaler?: GradScaler;
  /** Runs one optimizer step, `step` counted from 0, on a full batch. */
  run(step: number, batch: Batch, sample: DrawnTimesteps): Promise<StepResult>;
  dispose(): Promise<void>;
}

/**
 * Compiles the step on `engine` and loads `arrays` as its state. With gradient accumulation, the batch is split into
 * `config.gradientAccumulation` equal micro-batches, whose gradients are summed in the engine. Examples, noise and
 * timesteps are the same as without it, so only the order of summation and the memory differ. If the loss is scaled,
 * `scalerState` continues the scaler of an earlier step.
 *
 * @throws {UserError} `ENGINE_UNSUITABLE` if the engine or its device cannot compute in `config.precision`
 */
export async function compileStep(
  setup: TrainingSetup,
  engine: Engine,
  arrays: Arrays,
  scalerState?: readonly number[],
): Promise<CompiledStep> {
  checkPrecision(setup.config, engine);
  const gradScaler = createGradScaler(setup.config, scalerState);
  const compile = setup.group.size === 1 ? compileAlone : compileTogether;
  if (gradScaler === undefined) return compile(setup, engine, arrays);
  const step = await compile(setup, engine, arrays, () => ({ gradScale: scalar(gradScaler.scale) }));
  return {
    ...step,
    gradScaler,
    async run(...call) {
      const { scale } = gradScaler;
      const result = await step.run(...call);
      gradScaler.update(result.isFinite);
      return { ...result, gradScale: { used: scale, next: gradScaler.scale } };
    },
  };
}

/** Further inputs of each program of a step. */
type MoreInputs = () => Arrays;

const none: MoreInputs = () => ({});

async function compileAlone(
  setup: TrainingSetup,
  engine: Engine,
  arrays: Arrays,
  more: MoreInputs = none,
): Promise<CompiledStep> {
  const { batchSize, gradientAccumulation: count } = setup.config;
  const last = engine.compile(trainingStep(setup), { name: 'training step', ...committing });
  const { first, further } = accumulationPrograms(setup, engine);
  const programOf = (index: number): CompiledProgram => {
    if (index === count - 1) return last;
    return index === 0 ? first : further;
  };
  const state = await last.load({ ...arrays, ...unsavedState(setup) });

  return {
    state,
    async run(step, batch, sample) {
      const inputs = { ...stepInputs(setup, batch, sample, step), ...more() };
      const losses = new Float32Array(batchSize);
      let outputs: Arrays = { loss: scalar(0) };
      for (let index = 0; index < count; index++) {
        const lossBefore = outputs['loss']!;
        outputs = await programOf(index).run(state, { ...microBatch(inputs, index, count), lossBefore });
        losses.set(outputs['losses']!.data, (index * batchSize) / count);
      }
      return { losses, ...resultOf(outputs) };
    },
    async dispose() {
      state.dispose();
      for (const program of [first, further, last]) await program.dispose();
    },
  };
}

/**
 * The step of one of several ranks. Each computes the gradient of its rows; the sums over all ranks replace it in the engine's
 * own memory; then all ranks make the same update. With two ranks this adds what two micro-batches would, so the result is
 * bit-identical to a single process with twice the accumulation; with more, the order of addition differs.
 */
async function compileTogether(
  setup: TrainingSetup,
  engine: Engine,
  arrays: Arrays,
  more: MoreInputs = none,
): Promise<CompiledStep> {
  const { group } = setup;
  const { batchSize, gradientAccumulation: count } = setup.config;
  const rows = batchSize / group.size;
  const { first, further } = accumulationPrograms(setup, engine);
  const update = engine.compile(updateStep(setup), { name: 'update', ...committing });
  const state = await update.load({ ...arrays, ...unsavedState(setup) });
  const gradients = trainedEntries(setup).map(({ prefix }) => gradientName(prefix));

  /** The part of the loss and the losses of this rank's rows; their gradient is in the state afterwards. */
  const compute = async (step: number, batch: Batch, sample: DrawnTimesteps) => {
    const inputs = { ...stepInputs(setup, batch, sample, step), ...more() };
    const losses = new Float32Array(rows);
    let loss: NdArray = scalar(0);
    for (let index = 0; index < count; index++) {
      const program = index === 0 ? first : further;
      const outputs = await program.run(state, { ...microBatch(inputs, index, count), lossBefore: loss });
      loss = outputs['loss']!;
      losses.set(outputs['losses']!.data, (index * rows) / count);
    }
    return { loss: loss.data[0]!, losses };
  };
  return {
    state,
    async run(step, batch, sample) {
      group.describe(`step ${step + 1}`);
      const began = performance.now();
      let done = began;
      const parts = await group.exchange(async () => {
        const part = await compute(step, batch, sample);
        done = performance.now();
        return { ...part, computed: (done - began) / 1000 };
      });
      await state.update(gradients, async (sums) => {
        for (const name of gradients) await group.sum(sums[name]!.data as Float32Array);
      });
      const seconds = (performance.now() - done) / 1000;
      const losses = new Float32Array(batchSize);
      for (const [rank, part] of parts.entries()) losses.set(part.losses, rank * rows);
      const loss = parts.reduce((sum, part) => Math.fround(sum + part.loss), 0);
      const outputs = await update.run(state, { ...updateScalars(setup, step), ...more(), loss: scalar(loss) });
      return { losses, ...resultOf(outputs), exchange: { seconds, computed: parts.map(({ computed }) => computed) } };
    },
    async dispose() {
      state.dispose();
      for (const program of [first, further, update]) await program.dispose();
    },
  };
}

function accumulationPrograms(setup: TrainingSetup, engine: Engine): Record<'first' | 'further', CompiledProgram> {
  return {
    first: engine.compile(accumulationStep(setup, 'start'), { name: 'first part of a batch' }),
    further: engine.compile(accumulationStep(setup, 'add'), { name: 'further part of a batch' }),
  };
}

function resultOf(outputs: Arrays): Pick<StepResult, 'loss' | 'gradNorm' | 'isFinite'> {
  const [loss, gradNorm] = finiteOutputs.map((name) => outputs[name]!.data[0]!) as [number, number];
  const isFinite = outputs['isFinite']!.data[0] !== 0 && Number.isFinite(loss) && Number.isFinite(gradNorm);
  return { loss, gradNorm, isFinite };
}

/** A step with another value in one of these does not count, whatever the device says of them. */
const finiteOutputs = ['loss', 'gradNorm'] as const;

/** A step that is not finite leaves the state unchanged. */
const committing = { commitIf: 'isFinite', commitIfFinite: finiteOutputs } as const;

/** The `index`-th of `count` equal parts of the batch's rows; scalars are the same for all parts. */
function microBatch(inputs: Arrays, index: number, count: number): Arrays {
  if (count === 1) return inputs;
  return Object.fromEntries(
    Object.entries(inputs).map(([name, array]) => {
      const [rows, ...rest] = array.shape;
      if (rows === undefined) return [name, array];
      const size = array.data.length / count;
      const data = array.data.slice(index * size, (index + 1) * size);
      return [name, { ...array, shape: [rows / count, ...rest], data }];
    }),
  );
}
