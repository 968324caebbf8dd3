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
  /** As variables, as in TF.js's optimizers: what getWeights returned stays valid. */
  private readonly slots: Record<string, tf.Variable> = {};

  constructor(private readonly make: (layout: FlatLayout) => Optimizer) {
    super();
  }

  applyGradients(given: tf.NamedTensorMap | { name: string; tensor: tf.Tensor }[]): void {
    const gradients: tf.NamedTensorMap = Array.isArray(given)
      ? Object.fromEntries(given.map(({ name, tensor }) => [name, tensor]))
      : given;
    const { optimizer, layout } = this.bind(gradients);
    const variables = layout.entries.map(({ name }) => tf.engine().registeredVariables[name]!);

    tf.tidy(() => {
      const scalars: Tensors = {};
      for (const [name, value] of Object.entries(optimizer.scalars(this.iterations))) scalars[name] = tf.scalar(value);
      const slots: Tensors = {};
      for (const name of optimizer.slots) slots[name] = this.slots[name] ?? tf.zeros([layout.size]);
      const grads = flat(layout.entries.map(({ name }) => gradients[name]!));
      const updated = optimizer.update(flat(variables), grads, slots, scalars);
      const params = splitFlat(updated.params, layout);
      variables.forEach((variable) => variable.assign(params[variable.name]!));
      for (const [name, value] of Object.entries(updated.slots)) this.setSlot(name, value);
    });
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

  private setSlot(name: string, value: tf.Tensor): void {
    const slot = this.slots[name];
    if (slot === undefined) this.slots[name] = tf.variable(value, false);
    else if (slot !== value) slot.assign(value); // which disposes of its value first
  }

  private removeSlots(names: readonly string[]): void {
    for (const name of names) {
      tf.dispose(this.slots[name]);
      delete this.slots[name];
    }
  }

  override dispose(): void {
    this.removeSlots(Object.keys(this.slots));
    super.dispose();
  }

  override async getWeights(): Promise<{ name: string; tensor: tf.Tensor }[]> {
    const slots = Object.entries(this.slots).map(([name, tensor]) => ({ name, tensor }));
    return [await this.saveIterations(), ...slots];
  }

  override async setWeights(weights: { name: string; tensor: tf.Tensor }[]): Promise<void> {
    const slots = await this.extractIterations(weights);
    for (const { name, tensor } of slots) this.setSlot(name, tensor);
    this.removeSlots(Object.keys(this.slots).filter((name) => slots.every((given) => given.name !== name)));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { optimizer: this.bound?.optimizer.name ?? null };
  }
}

function flat(tensors: readonly tf.Tensor[]): tf.Tensor {
  return tf.concat(tensors.map((x) => tf.reshape(x, [x.size])));
}
