import { gelu, type GeluOptions } from '@dm/ops';
import { child, type Scope } from '../scope.js';
import { type LayerInit, linear, type Unit } from '../units.js';

interface FeedForwardShape {
  readonly hidden: number;
  /** Hidden width. */
  readonly inner: number;
  /** T, the number of tokens per image. */
  readonly tokens: number;
  readonly activation: GeluOptions;
  readonly init: LayerInit;
  /** Names of the two layers, such as timm's `fc1` and `fc2`. */
  readonly names: readonly [string, string];
}

/** MLP on each token: linear, GELU, linear. [N, T, D] → [N, T, D]. */
export function feedForward(scope: Scope, { hidden, inner, tokens, activation, init, names }: FeedForwardShape): Unit {
  const first = linear(child(scope, names[0]), hidden, inner, { rows: tokens, init });
  const second = linear(child(scope, names[1]), inner, hidden, { rows: tokens, init });
  return (ctx, x) => second(ctx, gelu(first(ctx, x), activation));
}
