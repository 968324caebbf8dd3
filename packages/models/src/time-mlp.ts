import { silu } from '@dm/ops';
import { child, block, type Scope } from './scope.js';
import { type LayerInit, linear, torchInit, type Unit } from './units.js';

interface TimeMlpShape {
  /** Width of the sinusoidal embedding. */
  readonly from: number;
  /** Hidden width. Default `to`. */
  readonly inner?: number;
  readonly to: number;
  /** Names of the two layers. */
  readonly names: readonly [string, string];
  readonly init?: LayerInit;
}

/** MLP on the timestep embedding: linear, SiLU, linear. [N, from] → [N, to]. */
export function timeMlp(scope: Scope, { from, to, inner = to, names, init = torchInit }: TimeMlpShape): Unit {
  const first = linear(child(scope, names[0]), from, inner, { init });
  const second = linear(child(scope, names[1]), inner, to, { init });
  return block(scope, (ctx, x) => second(ctx, silu(first(ctx, x))));
}
