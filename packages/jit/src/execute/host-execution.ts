import type { Arrays, StateHandle } from '@dm/ops';
import type { CompilerOptions, Specialization } from '../compile.js';
import type { RuntimeSession } from '../runtime/runtime.js';
import type { UpdateThreads } from '../update/threads.js';
import type { WasmModule } from '../update/wasm-api.js';
import { Binding } from './bound-step.js';
import type { Execution, Step } from './execution.js';
import { OnnxStateHandle } from './state.js';

/** Runs a program's graphs on the engine's own arrays. */
export class HostExecution implements Execution<RuntimeSession, OnnxStateHandle> {
  private readonly threads = new Set<UpdateThreads>();
  readonly valuesOf: ((state: OnnxStateHandle) => Arrays) | undefined;

  /** `owner` is the engine; `threadCount` is the number of threads that run an update. */
  constructor(
    private readonly owner: object,
    readonly compiler: CompilerOptions<RuntimeSession>,
    private readonly threadCount: number,
  ) {
    // Whether it gains anything on a device is not known.
    if ((compiler.lower.target ?? 'cpu') === 'cpu') this.valuesOf = (state) => state.values;
  }

  async load(arrays: Arrays): Promise<OnnxStateHandle> {
    const { updates } = this.compiler;
    const shared = updates?.isShareable(arrays) === true ? updates.createMemory() : undefined;
    return new OnnxStateHandle(this.owner, arrays, shared);
  }

  owns(handle: StateHandle): handle is OnnxStateHandle {
    return handle instanceof OnnxStateHandle && handle.owner === this.owner;
  }

  async bind(specialization: Specialization<RuntimeSession>, state: OnnxStateHandle): Promise<Step> {
    const threads = specialization.update && (await this.start(specialization.update.module, state));
    return new Binding(specialization, state, threads);
  }

  async dispose(): Promise<void> {
    for (const threads of this.threads) threads.dispose();
  }

  /** Threads for updates, until the program or the state is disposed of. */
  private async start(module: WasmModule, state: OnnxStateHandle): Promise<UpdateThreads> {
    const threads = await this.compiler.updates!.openThreads(module, state.shared!.memory, this.threadCount);
    this.threads.add(threads);
    state.onDispose(() => {
      this.threads.delete(threads);
      threads.dispose();
    });
    return threads;
  }
}
