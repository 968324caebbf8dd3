/**
 * Optimizer updates as WebAssembly kernels, which threads run on states in shared memory. Node's engine passes this object
 * to the compiler; engines without it, as in pages, do not load the code.
 */
import type { Graph, TensorSpecs } from '../graph/graph.js';
import { splitUpdate, type SplitStep } from '../passes/split-update.js';
import { isShareable, SharedMemory } from './shared-memory.js';
import { openUpdateThreads, type OpenUpdateThreads } from './threads.js';
import { updateKernel, type UpdateKernel } from './update-kernel.js';
import { wasmApi, type WasmModule } from './wasm-api.js';

export interface SharedUpdates {
  /** Whether a state has long vectors that fit into shared memory. */
  readonly isShareable: (state: TensorSpecs) => boolean;
  /** @throws {EngineError} if the system cannot reserve the address space */
  readonly createMemory: () => SharedMemory;
  /** The step as two graphs, if its update can become a kernel. */
  readonly split: (graph: Graph) => SplitStep | undefined;
  /** The kernel of the second one. */
  readonly kernel: (graph: Graph) => UpdateKernel;
  readonly compile: (bytes: UpdateKernel['bytes']) => Promise<WasmModule>;
  readonly openThreads: OpenUpdateThreads;
}

export const sharedUpdates: SharedUpdates = {
  isShareable,
  createMemory: () => new SharedMemory(),
  split: (graph) => splitUpdate(graph),
  kernel: updateKernel,
  compile: (bytes) => wasmApi.compile(bytes),
  openThreads: openUpdateThreads,
};
