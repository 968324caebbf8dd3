import * as tf from '@tensorflow/tfjs-core';
import { flatLayout, splitFlat, type FlatLayout, type Tensors } from '@dm/ops';
import type { Optimizer } from './optimizer.js';

/**
 * Wraps an optimizer of this package as a `tf.Optimizer`, for `optimizer.minimize(...)` or tfjs-layers'
 * `model.compile({ optimizer })`. Pass a function if the optimizer needs the layout (Muon, weight decay by group):
 * variables of rank 2 or higher are in the group `matrix`, all others in `vector`.
 *
 * The first step fixes the set of variables; a later step with other variables throws a RangeError. `getWeights` and
 * `setWeights` save and restore the state; `getConfig` holds only the optimizer's name, from which it cannot be
 * rebuilt.
 */
export function createTfOptimizer(optimizer: Optimizer | ((layout: FlatLayout) => Optimizer)): tf.Optimizer {
  return new FlatOptimizer(typeof optimizer === 'function' ? optimizer : () => optimizer);
}

class FlatOptimizer extends tf.Optimizer {
  static get className(): string {
    return 'DmFlatOptimizer';
  }

  private bound: { readonly optimizer: Optimizer; readonly layout: FlatLayout } | undefined;
  private slots: Tensors = {};

  constructor(private readonly make: (layout: FlatLayout) => Optimizer) {
    super();
  }

  applyGradients(given: tf.NamedTensorMap | { name: string; tensor: tf.Tensor }[]): void {
    const gradients: tf.NamedTensorMap = Array.isArray(given)
      ? Object.fromEntries(given.map(({ name, tensor }) => [name, tensor]))
      : given;
    const { optimizer, layout } = this.bind(gradients);
    const variables = layout.entries.map(({ name }) => tf.engine().registeredVariables[name]!);

    const before = this.slots;
    const next = tf.tidy(() => {
      const scalars: Tensors = {};
      for (const [name, value] of Object.entries(optimizer.scalars(this.iterations))) scalars[name] = tf.scalar(value);
      const slots: Tensors = {};
      for (const name of optimizer.slots) slots[name] = before[name] ?? tf.zeros([layout.size]);
      const grads = flat(layout.entries.map(({ name }) => gradients[name]!));
      const updated = optimizer.update(flat(variables), grads, slots, scalars);
      const params = splitFlat(updated.params, layout);
      variables.forEach((variable) => variable.assign(params[variable.name]!));
      return updated.slots;
    });
    for (const tensor of Object.values(next)) tf.keep(tensor);
    this.slots = next;
    tf.dispose(before);
    this.incrementIterations();
  }

  private bind(gradients: tf.NamedTensorMap): { readonly optimizer: Optimizer; readonly layout: FlatLayout } {
    const names = Object.keys(gradients).filter((name) => gradients[name] != null);
    if (this.bound === undefined) {
      const layout = flatLayout(
        names.map((name) => {
          const { shape } = gradients[name]!;
          return { name, shape, group: shape.length >= 2 ? 'matrix' : 'vector' };
        }),
      );
      this.bound = { optimizer: this.make(layout), layout };
    }
    const { entries } = this.bound.layout;
    if (names.length !== entries.length || entries.some(({ name }) => gradients[name] == null)) {
      throw new RangeError(
        `createTfOptimizer: the first step had gradients of ${entries.map((e) => e.name).join(', ')}; this step has ${names.join(', ')}`,
      );
    }
    return this.bound;
  }

  override dispose(): void {
    tf.dispose(this.slots);
    this.slots = {};
    super.dispose();
  }

  override async getWeights(): Promise<{ name: string; tensor: tf.Tensor }[]> {
    const slots = Object.entries(this.slots).map(([name, tensor]) => ({ name, tensor }));
    return [await this.saveIterations(), ...slots];
  }

  override async setWeights(weights: { name: string; tensor: tf.Tensor }[]): Promise<void> {
    const slots = await this.extractIterations(weights);
    tf.dispose(this.slots);
    this.slots = Object.fromEntries(slots.map(({ name, tensor }) => [name, tf.keep(tf.clone(tensor))]));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { optimizer: this.bound?.optimizer.name ?? null };
  }
}

function flat(tensors: readonly tf.Tensor[]): tf.Tensor {
  return tf.concat(tensors.map((x) => tf.reshape(x, [x.size])));
}
