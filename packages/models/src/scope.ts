/**
 * Building blocks for defining models. A unit is a function that declares its parameters in a `Scope` and returns the
 * function that applies them, like the constructor and `forward` of a PyTorch module.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import { remat, scope as named, type Tensors } from '@dm/ops';
import type { ApplyOptions, DropoutSpec, LayerCost, Model, ParamSpec } from './model.js';

/** The arguments of `Model.apply` that units need. */
export interface ForwardContext {
  readonly params: Tensors;
  readonly masks: Tensors;
  readonly activationCheckpointing: boolean;
}

/** Looks up the tensor of a declared parameter. */
export type Param = (ctx: ForwardContext) => Tensor;

/** Everything that a model's units have declared. */
interface Declarations {
  readonly specs: Record<string, ParamSpec>;
  readonly dropouts: DropoutSpec[];
  readonly layers: LayerCost[];
}

/** The namespace in which a unit declares its parameters: a dotted prefix, as in the names of PyTorch submodules. */
export interface Scope {
  readonly name: string;
  readonly declared: Declarations;
}

/** Creates the scope of a whole model. */
export const root = (): Scope => ({ name: '', declared: { specs: {}, dropouts: [], layers: [] } });

/** The scope of a submodule. */
export const child = (scope: Scope, name: string | number): Scope => ({ ...scope, name: join(scope, name) });

/** Declares a parameter and returns its lookup function. */
export function declare(scope: Scope, name: string, spec: ParamSpec): Param {
  const full = join(scope, name);
  scope.declared.specs[full] = spec;
  return ({ params }) => params[full]!;
}

/** Declares the cost of one unit, for one image. */
export function declareCost(scope: Scope, cost: Omit<LayerCost, 'name'>): void {
  scope.declared.layers.push({ name: scope.name, ...cost });
}

/**
 * Declares a dropout with a mask of `shape` per image, and returns the lookup function of its mask, which is undefined
 * in a call without masks.
 */
export function declareDropout(
  scope: Scope,
  shape: readonly number[],
  rate: number,
): (ctx: ForwardContext) => Tensor | undefined {
  if (rate === 0) return () => undefined;
  scope.declared.dropouts.push({ name: scope.name, shape, rate });
  return ({ masks }) => masks[scope.name];
}

/** Runs the unit in a named scope, so that profiles attribute its forward and backward kernels to it. */
export function block<Args extends unknown[], Result>(
  scope: Scope,
  unit: (ctx: ForwardContext, ...args: Args) => Result,
): (ctx: ForwardContext, ...args: Args) => Result {
  return (ctx, ...args) => named(scope.name, () => unit(ctx, ...args));
}

/**
 * A block that is recomputed in the backward pass if the call has `activationCheckpointing`. It may only use parameters
 * of its scope.
 */
export function recomputable<Args extends (Tensor | undefined)[]>(
  scope: Scope,
  unit: (ctx: ForwardContext, ...args: Args) => Tensor,
): (ctx: ForwardContext, ...args: Args) => Tensor {
  return block(scope, (ctx, ...args) => {
    if (!ctx.activationCheckpointing) return unit(ctx, ...args);
    const own = Object.entries(ctx.params).filter(([name]) => name.startsWith(`${scope.name}.`));
    const given = args.filter((arg) => arg !== undefined);
    const again = (inputs: Tensor[], params: Tensors) => {
      const rest = inputs.values();
      const here = args.map((arg) => (arg === undefined ? arg : rest.next().value)) as unknown as Args;
      return unit({ ...ctx, params }, ...here);
    };
    return remat(again, given, Object.fromEntries(own));
  });
}

const join = (scope: Scope, name: string | number) => (scope.name === '' ? `${name}` : `${scope.name}.${name}`);

type Described = Omit<Model, 'apply' | 'config' | 'specs' | 'dropouts' | 'layers'>;

/**
 * Builds the model from the declarations of its units. Arguments are checked before `forward` is called: each trainable
 * parameter is present and has its shape, t has one element per image, `cond` is present if and only if the model has
 * classes, and there are masks for all of `dropouts`, or none.
 */
export function buildModel<Config>(
  scope: Scope,
  description: Described,
  config: Config,
  forward: (ctx: ForwardContext, x: Tensor, t: Tensor, cond: Tensor | undefined) => Tensor,
): Model<Config> {
  const { specs, dropouts, layers } = scope.declared;
  const model: Model<Config> = {
    ...description,
    config,
    specs,
    dropouts,
    layers,
    apply(params, x, t, options = {}) {
      checkCall(model, params, x, t, options);
      const { masks = {}, activationCheckpointing = false } = options;
      return forward({ params, masks, activationCheckpointing }, x, t, options.cond);
    },
  };
  return model;
}

function checkCall(model: Model, params: Tensors, x: Tensor, t: Tensor, { cond, masks = {} }: ApplyOptions): void {
  const wrong = (what: string) => new Error(`${model.kind}: ${what}`);
  const channels = model.inputShape[2];
  if (x.rank !== 4 || x.shape[3] !== channels) {
    throw wrong(`x must be [N, H, W, ${channels}], got ${shapeText(x)}`);
  }
  const n = x.shape[0];
  if (t.rank !== 1 || t.shape[0] !== n) throw wrong(`t must be [${n}], one timestep per image, got ${shapeText(t)}`);
  if (model.condDim === 0 && cond !== undefined) throw wrong('cond must not be given: the model has no classes');
  if (model.condDim > 0) {
    const needed = `one-hot labels cond [${n}, ${model.condDim}]`;
    if (cond === undefined) throw wrong(`a model with ${model.numClasses} classes requires ${needed}`);
    if (!sameShape(cond.shape, [n, model.condDim]))
      throw wrong(`cond must be [${n}, ${model.condDim}], got ${shapeText(cond)}`);
  }

  const bad = Object.entries(model.specs).flatMap(([name, { shape, trainable }]) => {
    const given = params[name];
    if (given === undefined) return trainable === false ? [] : [`${name} is missing`];
    return sameShape(given.shape, shape) ? [] : [`${name} must be [${shape.join(', ')}], got ${shapeText(given)}`];
  });
  if (bad.length > 0) throw wrong(`invalid parameters: ${bad.join('; ')}`);

  const names = Object.keys(masks);
  const expected = model.dropouts.map((dropout) => dropout.name);
  if (names.length > 0 && !(names.length === expected.length && expected.every((name) => Object.hasOwn(masks, name)))) {
    throw wrong(`masks must have the keys ${expected.join(', ') || '(none)'}, got ${names.join(', ')}`);
  }
}

const sameShape = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((d, i) => d === b[i]);

const shapeText = (t: Tensor) => `[${t.shape.join(', ')}]`;
