import type { Graph } from '../graph/graph.js';
import { chunkVectors } from './chunk-vectors.js';
import { commonSubexpressions } from './common-subexpressions.js';
import { constantFold } from './constant-fold.js';
import { eliminateDeadCode } from './eliminate-dead-code.js';
import { fuseUpsampledConvolutions } from './fuse-upsampled-convolutions.js';
import { scheduleWeightGradientsFirst } from './schedule-weight-gradients-first.js';
import { simplifyAlgebra } from './simplify-algebra.js';
import { simplifyReshapes } from './simplify-reshapes.js';
import { splitUpdate } from './split-update.js';
import { sumsOfSquaresAsMatmul } from './sums-of-squares-as-matmul.js';

/** What a graph is compiled for. */
export interface Target {
  /** `engine`: a session of this process. `file`: an .onnx file for any runtime. */
  readonly kind: 'engine' | 'file';
  /** Block size of the runtime's blocked convolutions (lower/blocked-conv.ts); 0 without them. */
  readonly block: number;
  /** Whether the long vectors of the state are in memory shared with threads that can run an update kernel on them. */
  readonly sharedState: boolean;
}

/** A program between passes: one graph, or two to be run one after the other. */
export interface Module {
  readonly main: Graph;
  /** The optimizer update of a step that has been split: it becomes an update kernel (update/update-kernel.ts). */
  readonly update?: Graph;
}

export interface Pass {
  readonly name: string;
  /** What it gains, and why at this point of the pipeline. */
  readonly reason: string;
  /** Condition to run it. Default: always. */
  readonly when?: (target: Target) => boolean;
  readonly run: (module: Module, target: Target) => Module;
}

const onMain =
  (pass: (graph: Graph, target: Target) => Graph): Pass['run'] =>
  (module, target) => ({ ...module, main: pass(module.main, target) });

const forEngine = ({ kind }: Target): boolean => kind === 'engine';

/** Every pass over a traced graph, in the order in which they run. None changes what a program computes. */
const pipeline: readonly Pass[] = [
  {
    name: 'eliminateDeadCode',
    reason: 'the gradient tape records gradients that nobody asked for; the other passes then have less to look at',
    run: onMain(eliminateDeadCode),
  },
  {
    name: 'constantFold',
    reason: 'a gradient starts from ones, zeros and scale factors; before simplifyAlgebra, which looks for them',
    run: onMain(constantFold),
  },
  {
    name: 'simplifyReshapes',
    reason: 'broadcasting and its gradient leave chains of reshapes; before simplifyAlgebra, whose results keep shapes',
    run: onMain(simplifyReshapes),
  },
  {
    name: 'simplifyAlgebra',
    reason: 'x · 1, x + 0 and the like, left by folded constants',
    run: onMain(simplifyAlgebra),
  },
  {
    name: 'commonSubexpressions',
    reason: 'forward and backward pass compute some values twice; after the others, which make calls equal',
    run: onMain(commonSubexpressions),
  },
  {
    name: 'eliminateDeadCode',
    reason: 'drops what the passes before have replaced',
    run: onMain(eliminateDeadCode),
  },
  {
    name: 'fuseUpsampledConvolutions',
    reason:
      '4/9 of the multiplications of a convolution after an up-sampling; after commonSubexpressions, so that a shared up-sampling is one node',
    when: ({ block }) => block > 0,
    run: onMain((graph, { block }) => fuseUpsampledConvolutions(graph, block)),
  },
  {
    name: 'eliminateDeadCode',
    reason: 'drops the up-samplings that were fused; before splitUpdate, which moves whatever is left',
    when: ({ block }) => block > 0,
    run: onMain(eliminateDeadCode),
  },
  {
    name: 'splitUpdate',
    reason:
      'an optimizer update in one loop over memory, in place, and left out if a step is not to count; before the passes that shape `main` for the runtime, since the update does not go there',
    when: ({ sharedState }) => sharedState,
    run: ({ main }) => splitUpdate(main) ?? { main },
  },
  {
    name: 'scheduleWeightGradientsFirst',
    reason:
      'less memory: activations are freed as soon as the weight gradients that need them are computed; after commonSubexpressions, which must not see its barriers as differences',
    when: forEngine,
    run: onMain(scheduleWeightGradientsFirst),
  },
  {
    name: 'chunkVectors',
    reason:
      'operators on long vectors stay in the cache, and state is neither split nor joined; after splitUpdate, which recognizes whole vectors',
    when: forEngine,
    run: onMain((graph) => chunkVectors(graph)),
  },
  {
    name: 'sumsOfSquaresAsMatmul',
    reason: 'a gradient norm in one pass over memory; after chunkVectors, so that each chunk is a product',
    when: forEngine,
    run: onMain(sumsOfSquaresAsMatmul),
  },
  {
    name: 'eliminateDeadCode',
    reason: 'drops whole vectors that exist in chunks only, and the squares of the sums',
    when: forEngine,
    run: onMain(eliminateDeadCode),
  },
];

/** Runs the passes of the pipeline whose condition holds for `target`, in order. */
export function runPipeline(graph: Graph, target: Target): Module {
  return pipeline
    .filter(({ when }) => when?.(target) ?? true)
    .reduce<Module>((module, { run }) => run(module, target), { main: graph });
}

/** The graph after the passes that hold for any runtime; what it computes is the same. */
export const optimize = (graph: Graph): Graph =>
  runPipeline(graph, { kind: 'file', block: 0, sharedState: false }).main;
