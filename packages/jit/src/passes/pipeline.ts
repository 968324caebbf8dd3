import type { Graph } from '../graph/graph.js';
import type { BlockedConvolutions, LoweringTarget } from '../lower/context.js';
import type { SharedUpdates } from '../update/shared-updates.js';
import { chunkVectors } from './chunk-vectors.js';
import { commonSubexpressions } from './common-subexpressions.js';
import { constantFold } from './constant-fold.js';
import { eliminateDeadCode } from './eliminate-dead-code.js';
import { fuseUpsampledConvolutions } from './fuse-upsampled-convolutions.js';
import { scheduleWeightGradientsFirst } from './schedule-weight-gradients-first.js';
import { simplifyAlgebra } from './simplify-algebra.js';
import { simplifyReshapes } from './simplify-reshapes.js';
import { sumsInTwoStages } from './sums-in-two-stages.js';
import { sumsOfSquaresAsMatmul } from './sums-of-squares-as-matmul.js';

/** What a graph is compiled for. */
export interface Target {
  readonly kind: LoweringTarget;
  /** The runtime's blocked convolutions, if it has them. */
  readonly blocked?: BlockedConvolutions | undefined;
  /** Given if the state's long vectors are in memory shared with threads, which can run an update kernel on them. */
  readonly updates?: SharedUpdates | undefined;
}

/** A program between passes: one graph, or two that run one after the other. */
export interface GraphModule {
  readonly main: Graph;
  /** The optimizer update of a split step; it becomes an update kernel (update/update-kernel.ts). */
  readonly update?: Graph;
}

export interface Pass {
  readonly name: string;
  /** Whether it applies to a target. Default: always. */
  readonly when?: (target: Target) => boolean;
  readonly run: (module: GraphModule, target: Target) => GraphModule;
}

const onMain =
  (pass: (graph: Graph, target: Target) => Graph): Pass['run'] =>
  (module, target) => ({ ...module, main: pass(module.main, target) });

const onCpu = ({ kind }: Target): boolean => kind === 'cpu';
const onGpu = ({ kind }: Target): boolean => kind === 'gpu';
const withBlockedConvolutions = ({ blocked }: Target): boolean => blocked !== undefined;

/**
 * All passes over a traced graph, in order, each with what it gains and why it runs at this point. None of them changes
 * what a program computes.
 */
const pipeline: readonly Pass[] = [
  // The gradient tape records unused gradients. First, so that the other passes have less to do.
  {
    name: 'eliminateDeadCode',
    run: onMain(eliminateDeadCode),
  },
  // A gradient tape starts from ones, zeros and scale factors. Before simplifyAlgebra, which looks for them.
  {
    name: 'constantFold',
    run: onMain(constantFold),
  },
  // Broadcasting leaves chains of reshapes. Before simplifyAlgebra, which looks only at the producer of an operand.
  {
    name: 'simplifyReshapes',
    run: onMain(simplifyReshapes),
  },
  // Removes x · 1, x + 0, and similar. After constantFold, which creates the ones and zeros.
  {
    name: 'simplifyAlgebra',
    run: onMain(simplifyAlgebra),
  },
  // The forward and backward passes compute some values twice. After the simplifications, which make calls equal.
  {
    name: 'commonSubexpressions',
    run: onMain(commonSubexpressions),
  },
  // Drops the nodes that the previous passes replaced.
  {
    name: 'eliminateDeadCode',
    run: onMain(eliminateDeadCode),
  },
  // Needs 4/9 of the multiplications and enlarges no image. Faster only with blocked convolutions.
  {
    name: 'fuseUpsampledConvolutions',
    when: withBlockedConvolutions,
    run: onMain((graph, { blocked }) => fuseUpsampledConvolutions(graph, blocked!)),
  },
  // Drops the upsampling nodes that were fused.
  {
    name: 'eliminateDeadCode',
    when: withBlockedConvolutions,
    run: onMain(eliminateDeadCode),
  },
  // The optimizer update becomes one in-place loop, which is skipped if a step is discarded. Before the passes that
  // prepare `main` for the runtime, which does not run the update.
  {
    name: 'splitUpdate',
    when: ({ updates }) => updates !== undefined,
    run: ({ main }, { updates }) => updates!.split(main) ?? { main },
  },
  // Frees activations early. After all passes that replace convolutions or remove nodes from `main`.
  {
    name: 'scheduleWeightGradientsFirst',
    when: onCpu,
    run: onMain(scheduleWeightGradientsFirst),
  },
  // Operators on long vectors stay in the cache, and state is neither split nor joined. After splitUpdate, which
  // recognizes whole vectors.
  {
    name: 'chunkVectors',
    when: onCpu,
    run: onMain((graph) => chunkVectors(graph)),
  },
  // Computes a gradient norm in one pass over memory. After chunkVectors, which recognizes squares and sums.
  {
    name: 'sumsOfSquaresAsMatmul',
    when: onCpu,
    run: onMain(sumsOfSquaresAsMatmul),
  },
  // A device computes each sum with one thread or workgroup. Last, as no other pass recognizes the result.
  {
    name: 'sumsInTwoStages',
    when: onGpu,
    run: onMain(sumsInTwoStages),
  },
  // Drops vectors that now exist in chunks only, and squares that are no longer summed.
  {
    name: 'eliminateDeadCode',
    when: onCpu,
    run: onMain(eliminateDeadCode),
  },
];

/** The passes that apply to a target, in order. */
export const passesFor = (target: Target): readonly Pass[] => pipeline.filter(({ when }) => when?.(target) ?? true);

/** Runs the passes for `target`; returns the graph, or two graphs if the step was split. */
export const runPipeline = (graph: Graph, target: Target): GraphModule =>
  passesFor(target).reduce<GraphModule>((module, { run }) => run(module, target), { main: graph });

/** Runs the passes that suit any runtime. */
export const optimize = (graph: Graph): Graph => runPipeline(graph, { kind: 'file' }).main;
