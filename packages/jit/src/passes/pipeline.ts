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
export interface GraphModule {
  readonly main: Graph;
  /** The optimizer update of a step that has been split: it becomes an update kernel (update/update-kernel.ts). */
  readonly update?: Graph;
}

export interface Pass {
  readonly name: string;
  /** What it gains, and why it is at this point of the pipeline. */
  readonly reason: string;
  /** Whether it runs for a target. Default: always. */
  readonly when?: (target: Target) => boolean;
  readonly run: (module: GraphModule, target: Target) => GraphModule;
}

const onMain =
  (pass: (graph: Graph, target: Target) => Graph): Pass['run'] =>
  (module, target) => ({ ...module, main: pass(module.main, target) });

const forEngine = ({ kind }: Target): boolean => kind === 'engine';
const withBlockedConvolutions = ({ block }: Target): boolean => block > 0;

/** Every pass over a traced graph, in the order in which they run. None changes what a program computes. */
const pipeline: readonly Pass[] = [
  {
    name: 'eliminateDeadCode',
    reason: 'The gradient tape records gradients that nobody asked for. First, so that the others have less to do.',
    run: onMain(eliminateDeadCode),
  },
  {
    name: 'constantFold',
    reason: 'A gradient tape starts from ones, zeros and scale factors. Before simplifyAlgebra, which looks for them.',
    run: onMain(constantFold),
  },
  {
    name: 'simplifyReshapes',
    reason: 'Broadcasting leaves chains of reshapes. Before simplifyAlgebra, which sees only what made an operand.',
    run: onMain(simplifyReshapes),
  },
  {
    name: 'simplifyAlgebra',
    reason: 'Removes x · 1, x + 0 and the like. After constantFold, which makes the ones and zeros.',
    run: onMain(simplifyAlgebra),
  },
  {
    name: 'commonSubexpressions',
    reason: 'Forward and backward pass compute some values twice. After the simplifications, which make calls equal.',
    run: onMain(commonSubexpressions),
  },
  {
    name: 'eliminateDeadCode',
    reason: 'Drops what the passes so far have replaced.',
    run: onMain(eliminateDeadCode),
  },
  {
    name: 'fuseUpsampledConvolutions',
    reason: 'Takes 4/9 of the multiplications, and no image is enlarged. Gains only with blocked convolutions.',
    when: withBlockedConvolutions,
    run: onMain((graph, { block }) => fuseUpsampledConvolutions(graph, block)),
  },
  {
    name: 'eliminateDeadCode',
    reason: 'Drops the up-samplings that were fused.',
    when: withBlockedConvolutions,
    run: onMain(eliminateDeadCode),
  },
  {
    name: 'splitUpdate',
    reason:
      'An optimizer update as one loop that writes in place, and is left out if a step does not count. Before the ' +
      'passes that arrange `main` for the runtime, which does not run the update.',
    when: ({ sharedState }) => sharedState,
    run: ({ main }) => splitUpdate(main) ?? { main },
  },
  {
    name: 'scheduleWeightGradientsFirst',
    reason: 'Frees activations early. After all passes that replace convolutions or take nodes out of `main`.',
    when: forEngine,
    run: onMain(scheduleWeightGradientsFirst),
  },
  {
    name: 'chunkVectors',
    reason:
      'Operators on long vectors work in the cache, and state is neither split nor joined. After splitUpdate, which ' +
      'recognizes whole vectors.',
    when: forEngine,
    run: onMain((graph) => chunkVectors(graph)),
  },
  {
    name: 'sumsOfSquaresAsMatmul',
    reason: 'A gradient norm in one pass over memory. After chunkVectors, which recognizes squares and sums.',
    when: forEngine,
    run: onMain(sumsOfSquaresAsMatmul),
  },
  {
    name: 'eliminateDeadCode',
    reason: 'Drops vectors that are now in chunks only, and squares that are not summed any more.',
    when: forEngine,
    run: onMain(eliminateDeadCode),
  },
];

/** The passes for a target, in order. */
export const passesFor = (target: Target): readonly Pass[] => pipeline.filter(({ when }) => when?.(target) ?? true);

/** The graph after the passes for `target`, or its two parts if the step was split. */
export const runPipeline = (graph: Graph, target: Target): GraphModule =>
  passesFor(target).reduce<GraphModule>((module, { run }) => run(module, target), { main: graph });

/** The graph after the passes that suit any runtime. */
export const optimize = (graph: Graph): Graph =>
  runPipeline(graph, { kind: 'file', block: 0, sharedState: false }).main;
