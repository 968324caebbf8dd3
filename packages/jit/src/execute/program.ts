import { type Arrays, checkArray, type CompiledProgram, isCommitted, type Program, type StateHandle } from '@dm/ops';
import { Binding } from './bound-step.js';
import { compileProgram, type CompilerOptions, type Specialization } from '../compile.js';
import { EngineError } from '../errors.js';
import type { TensorSpecs } from '../graph/graph.js';
import type { EngineObserver } from '../inspect/observer.js';
import { OnnxStateHandle } from './state.js';
import { isShareable, SharedMemory } from '../update/shared-memory.js';
import { openUpdateThreads, type UpdateThreads } from '../update/threads.js';
import type { WasmModule } from '../update/wasm-api.js';

export interface ProgramOptions {
  readonly name: string;
  readonly commitIf: string | undefined;
  /** Identifies the engine; states must come from the same one. */
  readonly owner: object;
  readonly compiler: CompilerOptions;
  /** Number of threads that run an update. */
  readonly threads: number;
  readonly observer: EngineObserver;
  /** Called once the program has been disposed of. */
  readonly forget: (program: OnnxProgram) => void;
}

/** A program, compiled once for each signature of state and inputs. */
export class OnnxProgram implements CompiledProgram {
  private readonly specializations = new Map<string, Promise<Specialization>>();
  private readonly bindings = new WeakMap<OnnxStateHandle, Map<Specialization, Binding>>();
  private readonly threads = new Set<UpdateThreads>();
  private readonly runs = new Set<Promise<Arrays>>();
  private disposed = false;

  constructor(
    private readonly program: Program,
    private readonly options: ProgramOptions,
  ) {}

  async load(arrays: Arrays): Promise<StateHandle> {
    this.check();
    const { owner, compiler } = this.options;
    return new OnnxStateHandle(
      owner,
      arrays,
      compiler.sharedMemory && isShareable(arrays) ? new SharedMemory() : undefined,
    );
  }

  async run(handle: StateHandle, inputs: Arrays): Promise<Arrays> {
    this.check();
    const run = this.runOn(handle, inputs);
    this.runs.add(run);
    try {
      return await run;
    } finally {
      this.runs.delete(run);
    }
  }

  private async runOn(handle: StateHandle, inputs: Arrays): Promise<Arrays> {
    const { name, commitIf, owner, observer } = this.options;
    if (!(handle instanceof OnnxStateHandle) || handle.owner !== owner) {
      throw new EngineError('STATE_MISMATCH', `${name}: the state handle belongs to another engine`);
    }
    for (const [key, array] of Object.entries(inputs)) checkArray(`input "${key}"`, array);
    const specs = handle.specs;
    const began = performance.now();
    handle.running = true;
    try {
      const specialization = await this.specialization(specs, inputs);
      const binding = await this.bindingOf(specialization, handle);
      const step = binding.take(inputs);
      let sessionBegan = performance.now();
      await step.main();
      const mainMs = performance.now() - sessionBegan;
      const outputs = binding.results();
      let updateMs = 0;
      if (commitIf === undefined || isCommitted(name, outputs, commitIf)) {
        if (step.update !== undefined) {
          sessionBegan = performance.now();
          await this.updating(step.update, handle);
          updateMs = performance.now() - sessionBegan;
        }
        for (const entry of specialization.swaps) handle.swap(entry);
      }
      observer.ran?.({ name, ms: performance.now() - began, sessionMs: mainMs + updateMs, updateMs });
      return outputs;
    } finally {
      handle.running = false;
    }
  }

  /** Waits for pending calls, then frees the sessions. */
  async dispose(): Promise<void> {
    this.disposed = true;
    this.options.forget(this);
    await Promise.allSettled(this.runs);
    const specializations = await Promise.allSettled(this.specializations.values());
    this.specializations.clear();
    for (const specialization of specializations) {
      if (specialization.status === 'rejected') continue;
      await specialization.value.main.session.release();
    }
    for (const threads of this.threads) threads.dispose();
  }

  private check(): void {
    if (this.disposed) throw new EngineError('DISPOSED', `${this.options.name}: this program has been disposed of`);
  }

  private async updating(update: () => Promise<void>, handle: OnnxStateHandle): Promise<void> {
    try {
      await update();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const lost =
        `${this.options.name}: the update failed while overwriting the state (${reason}). The state is lost: dispose ` +
        'of the handle and reload the state from the last checkpoint';
      handle.invalidate(lost);
      throw new EngineError('STATE_LOST', lost, { cause });
    }
  }

  private async bindingOf(specialization: Specialization, handle: OnnxStateHandle): Promise<Binding> {
    const known = this.bindings.get(handle) ?? new Map<Specialization, Binding>();
    this.bindings.set(handle, known);
    let binding = known.get(specialization);
    if (binding === undefined) {
      const threads = specialization.update && (await this.start(specialization.update.module, handle));
      known.set(specialization, (binding = new Binding(specialization, handle, threads)));
    }
    return binding;
  }

  /** Threads for updates, until the program or the state is disposed of. */
  private async start(module: WasmModule, handle: OnnxStateHandle): Promise<UpdateThreads> {
    const threads = await openUpdateThreads(module, handle.shared!.memory, this.options.threads);
    this.threads.add(threads);
    handle.onDispose(() => {
      this.threads.delete(threads);
      threads.dispose();
    });
    return threads;
  }

  private specialization(state: TensorSpecs, inputs: TensorSpecs): Promise<Specialization> {
    const signature = (specs: TensorSpecs) =>
      Object.entries(specs)
        .map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join(',')}]`)
        .toSorted()
        .join(' ');
    const key = `${signature(state)} | ${signature(inputs)}`;
    let specialization = this.specializations.get(key);
    if (specialization === undefined) {
      specialization = compileProgram(this.program, this.options.name, state, inputs, this.options.compiler);
      this.specializations.set(key, specialization);
      // A failed compilation is not cached: the next call reports it again.
      specialization.catch(() => this.specializations.delete(key));
    }
    return specialization;
  }
}
