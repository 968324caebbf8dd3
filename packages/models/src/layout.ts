import { flatLayout, type FlatLayout } from '@dm/ops';
import type { Model, ParamKind } from './model.js';

/** Weight decay and the like tell these apart. */
export type ParamGroup = 'matrix' | 'vector' | 'embedding';

const groups: Readonly<Record<ParamKind, ParamGroup>> = {
  conv: 'matrix',
  linear: 'matrix',
  vector: 'vector',
  embedding: 'embedding',
};

/** Layout of the trained parameters in one vector: the entries of `model.specs` in order, without buffers. */
export const parameterLayout = (model: Model): FlatLayout => layoutOf(model, true);

/** Layout of the buffers (fixed tables) in a second vector, which is empty for most models. */
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
