import { silu } from '@dm/ops';
import { child, block, type Scope } from './scope.js';
import { type LayerInit, linear, torchInit, type Unit } from './units.js';

interface TimeMlpShape {
  /** Width of the sinusoids. */
  readonly from: number;
  /** Between the layers. Default `to`. */
  readonly inner?: number;
  readonly to: number;
  /** Of the two layers. */
  readonly names: readonly [string, string];
  readonly init?: LayerInit;
}

/** What every architecture does to embedded timesteps: linear, SiLU, linear. [N, from] → [N, to]. */
export function timeMlp(scope: Scope, { from, to, inner = to, names, init = torchInit }: TimeMlpShape): Unit {
  const first = linear(child(scope, names[0]), from, inner, { init });
  const second = linear(child(scope, names[1]), inner, to, { init });
  return block(scope, (ctx, x) => second(ctx, silu(first(ctx, x))));
}
