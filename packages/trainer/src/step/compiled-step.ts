/** The compiled training step with its state inside the engine. */
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
  /** Whether loss and gradient are numbers. Where they are not, the step left the state as it was. */
  readonly isFinite: boolean;
}

export interface CompiledStep {
  /** Parameters, averages and slots: as `initialState` has them, and gradients where they are accumulated. */
  readonly state: StateHandle;
  /** One optimizer step, `step` counted from 0, on a whole batch. */
  run(step: number, batch: Batch, sample: TimestepSample): Promise<StepResult>;
  dispose(): Promise<void>;
}

/**
 * Compiles the step on `engine` and puts `arrays` in as its state. With gradient accumulation the batch goes through in
 * `config.gradientAccumulation` equal micro-batches, whose gradients are summed inside the engine: the same examples, noise and
 * timesteps as in one piece, so that their number changes nothing but the order of sums and the memory.
 */
export async function compileStep(setup: TrainingSetup, engine: Engine, arrays: Arrays): Promise<CompiledStep> {
  const { batchSize, gradientAccumulation: count } = setup.config;
  const last = engine.compile(trainingStep(setup), { name: 'training step', commitIf: 'isFinite' });
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
      const { loss, gradNorm, isFinite } = outputs;
      return { loss: loss!.data[0]!, losses, gradNorm: gradNorm!.data[0]!, isFinite: isFinite!.data[0] !== 0 };
    },
    async dispose() {
      state.dispose();
      for (const program of [first, further, last]) await program.dispose();
    },
  };
}

/** The `index`-th of `count` equal parts of the batch's rows; scalars are for all. */
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
