/** The compiled training step, with its state in the engine. */
import type { TimestepSample } from '@dm/curriculum';
import { type Arrays, type CompiledProgram, type Engine, scalar, type StateHandle } from '@dm/ops';
import { stepInputs, type Batch } from './batch.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { accumulationStep, trainingStep } from './step-program.js';
import { unsavedState } from '../setup/state-table.js';

export interface StepResult {
  /** Weighted mean loss of the batch. */
  readonly loss: number;
  /** Unweighted loss of each example. */
  readonly losses: Float32Array;
  /** 2-norm of the gradient, before clipping. */
  readonly gradNorm: number;
  /** Whether loss and gradient are finite. If not, the step did not change the state. */
  readonly isFinite: boolean;
}

export interface CompiledStep {
  /** Parameters, averages and slots (see `initialState`), and gradients if they are accumulated. */
  readonly state: StateHandle;
  /** Runs one optimizer step, `step` counted from 0, on a full batch. */
  run(step: number, batch: Batch, sample: TimestepSample): Promise<StepResult>;
  dispose(): Promise<void>;
}

/**
 * Compiles the step on `engine` and loads `arrays` as its state. With gradient accumulation, the batch is split into
 * `config.gradientAccumulation` equal micro-batches, whose gradients are summed in the engine. Examples, noise and
 * timesteps are the same as without it, so only the order of summation and the memory differ.
 */
export async function compileStep(setup: TrainingSetup, engine: Engine, arrays: Arrays): Promise<CompiledStep> {
  const { batchSize, gradientAccumulation: count } = setup.config;
  const last = engine.compile(trainingStep(setup), {
    name: 'training step',
    commitIf: 'isFinite',
    commitIfFinite: finiteOutputs,
  });
  const first = engine.compile(accumulationStep(setup, 'start'), { name: 'first part of a batch' });
  const further = engine.compile(accumulationStep(setup, 'add'), { name: 'further part of a batch' });
  const programOf = (index: number): CompiledProgram => {
    if (index === count - 1) return last;
    return index === 0 ? first : further;
  };
  const state = await last.load({ ...arrays, ...unsavedState(setup) });

  return {
    state,
    async run(step, batch, sample) {
      const inputs = stepInputs(setup, batch, sample, step);
      const losses = new Float32Array(batchSize);
      let outputs: Arrays = { loss: scalar(0) };
      for (let index = 0; index < count; index++) {
        const lossBefore = outputs['loss']!;
        outputs = await programOf(index).run(state, { ...microBatch(inputs, index, count), lossBefore });
        losses.set(outputs['losses']!.data, (index * batchSize) / count);
      }
      const [loss, gradNorm] = finiteOutputs.map((name) => outputs[name]!.data[0]!) as [number, number];
      const isFinite = outputs['isFinite']!.data[0] !== 0 && Number.isFinite(loss) && Number.isFinite(gradNorm);
      return { loss, losses, gradNorm, isFinite };
    },
    async dispose() {
      state.dispose();
      for (const program of [first, further, last]) await program.dispose();
    },
  };
}

/** A step with another value in one of these does not count, whatever the device says of them. */
const finiteOutputs = ['loss', 'gradNorm'] as const;

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
