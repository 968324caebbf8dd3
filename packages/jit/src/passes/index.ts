import type { Graph } from '../graph.js';
import { algebra } from './algebra.js';
import { constants } from './constants.js';
import { deadCode } from './dead-code.js';
import { duplicates } from './duplicates.js';
import { reshapes } from './reshapes.js';

export type Pass = (graph: Graph) => Graph;

/** In this order; each sees what the former ones left. */
const passes: readonly Pass[] = [deadCode, constants, reshapes, algebra, duplicates, deadCode];

/** The graph after every pass, in their order; what it computes is the same. */
export const optimize = (graph: Graph): Graph => passes.reduce((g, pass) => pass(g), graph);
