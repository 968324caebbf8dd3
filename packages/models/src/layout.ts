import { flatLayout, type FlatLayout, splitFlat, type Tensors } from '@dm/ops';
import type * as tf from '@tensorflow/tfjs-core';
import type { Model, ParamKind } from './model.js';

/** Parameter groups, for example for weight decay. */
export type ParamGroup = 'matrix' | 'vector' | 'embedding';

const groups: Readonly<Record<ParamKind, ParamGroup>> = {
  conv: 'matrix',
  linear: 'matrix',
  vector: 'vector',
  embedding: 'embedding',
};

/** Layout of the trainable parameters in one flat vector, in the order of `model.specs`. */
export const parameterLayout = (model: Model): FlatLayout => layoutOf(model, true);

/** Layout of the buffers (fixed tables) in another flat vector, which is empty for most models. */
export const bufferLayout = (model: Model): FlatLayout => layoutOf(model, false);

function layoutOf({ specs, outerModules }: Model, trained: boolean): FlatLayout {
  const isOuter = (name: string) => outerModules.some((module) => `.${name}`.includes(`.${module}.`));
  return flatLayout(
    Object.entries(specs)
      .filter(([, { trainable = true }]) => trainable === trained)
      .map(([name, { shape, kind }]) => {
        return { name, shape, group: groups[kind], ...(isOuter(name) && { outer: true as const }) };
      }),
  );
}

/** The model's parameters by name, from a flat vector [P] and the buffers in `state`. */
export function namedParameters(
  { layout, bufferLayout: buffers }: { readonly layout: FlatLayout; readonly bufferLayout: FlatLayout },
  params: tf.Tensor,
  state: Tensors,
): Tensors {
  const trained = splitFlat(params, layout);
  return buffers.size === 0 ? trained : { ...trained, ...splitFlat(state['buffers']!, buffers) };
}
