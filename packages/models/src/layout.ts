import { flatLayout, type FlatLayout } from '@dm/ops';
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
