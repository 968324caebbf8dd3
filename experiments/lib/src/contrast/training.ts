/** Recipe, options, and training loop shared by the GAN and the VAE. */
import type { Dataset } from '@dm/data';
import type { Arrays, Engine, Program } from '@dm/ops';

export interface ContrastRecipe<Kind extends 'gan' | 'vae'> {
  readonly kind: Kind;
  /** Learning rate of Adam. */
  readonly lr: number;
  readonly beta1: number;
  /** Half-life of the EMA in images, limited to 5% of the images seen. */
  readonly emaHalfLife: number;
  readonly batchSize: number;
}

export interface ContrastTrainingOptions<Recipe, Weights> {
  readonly train: Dataset;
  readonly engine: Engine;
  readonly recipe: Recipe;
  readonly seed: number;
  readonly steps: number;
  /** Steps after which `onSnapshot` is called with a copy of the weights. */
  readonly snapshotSteps?: readonly number[];
  readonly onSnapshot?: (step: number, weights: Weights) => void | Promise<void>;
}

/**
 * Runs `program` for `steps` steps and returns the state entries listed in `read`.
 * @throws {Error} if an output is not finite
 */
export async function runContrastTraining<Name extends string>(options: {
  readonly name: string;
  readonly program: Program;
  readonly engine: Engine;
  readonly start: Arrays;
  readonly steps: number;
  readonly inputs: (step: number) => Promise<Arrays>;
  readonly read: readonly Name[];
  readonly snapshotSteps: readonly number[];
  readonly onSnapshot: (step: number, read: Record<Name, Float32Array>) => void | Promise<void>;
}): Promise<Record<Name, Float32Array>> {
  const { name, program, engine, start, steps, inputs, read, snapshotSteps, onSnapshot } = options;
  const compiled = engine.compile(program, { name });
  const state = await compiled.load(start);
  const copies = async () => {
    const arrays = await state.read(read);
    return Object.fromEntries(read.map((entry) => [entry, Float32Array.from(arrays[entry]!.data)])) as Record<
      Name,
      Float32Array
    >;
  };
  try {
    for (let step = 0; step < steps; step++) {
      const outputs = await compiled.run(state, await inputs(step));
      for (const [output, { data }] of Object.entries(outputs)) {
        if (!Number.isFinite(data[0]!)) throw new Error(`${name} ${step + 1}: ${output} is ${data[0]}.`);
      }
      if (snapshotSteps.includes(step + 1)) await onSnapshot(step + 1, await copies());
    }
    return await copies();
  } finally {
    state.dispose();
    await compiled.dispose();
  }
}
