/** The compiled training step with its state inside the engine. */
import type { TimestepSample } from '@dm/curriculum';
import { type Arrays, type CompiledProgram, type Engine, float32, scalar, type StateHandle } from '@dm/ops';
import { stepInputs, type Batch } from './batch.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { accumulationStep, trainingStep } from './training-step.js';
import { uncertaintyChannels } from '../setup/uncertainty.js';

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
  run(step: number, batch: Batch, draw: TimestepSample): Promise<StepResult>;
  dispose(): Promise<void>;
}

/**
 * Compiles the step on `engine` and puts `arrays` in as its state. With gradient accumulation the batch goes through in
 * `config.gradientAccumulation` equal parts, whose gradients are summed inside the engine: the same examples, noise and timesteps
 * as in one piece, so that the number of parts changes nothing but the order of sums and the memory.
 */
export async function compileStep(setup: TrainingSetup, engine: Engine, arrays: Arrays): Promise<CompiledStep> {
  const { config, layout, uncertainty } = setup;
  const { gradientAccumulation: parts } = config;
  const last = engine.compile(trainingStep(setup), { name: 'training step', commitIf: 'isFinite' });
  const start = engine.compile(accumulationStep(setup, 'start'), { name: 'first part of a batch' });
  const add = engine.compile(accumulationStep(setup, 'add'), { name: 'further part of a batch' });
  const programOf = (part: number): CompiledProgram => {
    if (part === parts - 1) return last;
    return part === 0 ? start : add;
  };
  const gradients: Arrays = {
    gradients: float32(new Float32Array(layout.size)),
    ...(uncertainty && { 'uncertainty.gradients': float32(new Float32Array(uncertaintyChannels)) }),
  };
  const state = await last.load({ ...arrays, ...(parts > 1 && gradients) });

  return {
    state,
    async run(step, batch, draw) {
      const inputs = stepInputs(setup, batch, draw, step);
      const losses = new Float32Array(config.batchSize);
      let outputs: Arrays = { loss: scalar(0) };
      for (let part = 0; part < parts; part++) {
        const lossBefore = outputs['loss']!;
        outputs = await programOf(part).run(state, { ...partOf(inputs, part, parts), lossBefore });
        losses.set(outputs['losses']!.data, (part * config.batchSize) / parts);
      }
      const { loss, gradNorm, isFinite } = outputs;
      return { loss: loss!.data[0]!, losses, gradNorm: gradNorm!.data[0]!, isFinite: isFinite!.data[0] !== 0 };
    },
    async dispose() {
      state.dispose();
      for (const program of [start, add, last]) await program.dispose();
    },
  };
}

/** Rows of the batch that are the `part`-th of so many equal parts; scalars are for all. */
function partOf(inputs: Arrays, part: number, parts: number): Arrays {
  if (parts === 1) return inputs;
  return Object.fromEntries(
    Object.entries(inputs).map(([name, array]) => {
      const [rows, ...rest] = array.shape;
      if (rows === undefined) return [name, array];
      const size = array.data.length / parts;
      const data = array.data.slice(part * size, (part + 1) * size);
      return [name, { ...array, shape: [rows / parts, ...rest], data }];
    }),
  );
}
