import { type Arrays, type CompiledProgram, isCommitted, type Program, type StateHandle } from '@dm/ops';
import { Binding } from './bound-step.js';
import { build, type BuildOptions, type Variant } from './build.js';
import type { EngineObserver } from './observer.js';
import { checkArray, OnnxState } from './state.js';
import type { ArraySpecs } from './trace.js';
import { isShareable, SharedMemory } from './update/shared-memory.js';
import { startThreads, type UpdateThreads } from './update/threads.js';
import type { WasmModule } from './update/web-assembly.js';

export interface ProgramOptions {
  readonly name: string;
  readonly commitIf: string | undefined;
  /** The engine: what states must come from. */
  readonly owner: object;
  readonly build: BuildOptions;
  /** How many run an update. */
  readonly threads: number;
  readonly observer: EngineObserver;
  /** Is told that the program has been disposed of. */
  readonly forget: (program: OnnxProgram) => void;
}

/** A program, compiled once for each signature of state and inputs. */
export class OnnxProgram implements CompiledProgram {
  private readonly variants = new Map<string, Promise<Variant>>();
  private readonly bindings = new WeakMap<OnnxState, Map<Variant, Binding>>();
  private readonly threads = new Set<UpdateThreads>();
  private readonly runs = new Set<Promise<Arrays>>();
  private disposed = false;

  constructor(
    private readonly program: Program,
    private readonly options: ProgramOptions,
  ) {}

  async load(arrays: Arrays): Promise<StateHandle> {
    this.check();
    const { owner, build: options } = this.options;
    return new OnnxState(owner, arrays, options.sharing && isShareable(arrays) ? new SharedMemory() : undefined);
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
    if (!(handle instanceof OnnxState) || handle.owner !== owner) {
      throw new Error(`${name}: the state handle belongs to another engine`);
    }
    for (const [key, array] of Object.entries(inputs)) checkArray(`input "${key}"`, array);
    const specs = handle.specs;
    const began = performance.now();
    handle.running = true;
    try {
      const variant = await this.variant(specs, inputs);
      const binding = await this.bindingOf(variant, handle);
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
        for (const entry of variant.next) handle.swap(entry);
      }
      observer.ran?.({ name, ms: performance.now() - began, sessionMs: mainMs + updateMs, updateMs });
      return outputs;
    } finally {
      handle.running = false;
    }
  }

  /** Waits for the calls that still run. */
  async dispose(): Promise<void> {
    this.disposed = true;
    this.options.forget(this);
    await Promise.allSettled(this.runs);
    const variants = await Promise.allSettled(this.variants.values());
    this.variants.clear();
    for (const variant of variants) {
      if (variant.status === 'rejected') continue;
      await variant.value.main.session.release();
    }
    for (const threads of this.threads) threads.dispose();
  }

  private check(): void {
    if (this.disposed) throw new Error(`${this.options.name}: this program has been disposed of`);
  }

  private async updating(update: () => Promise<void>, handle: OnnxState): Promise<void> {
    try {
      await update();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const lost =
        `${this.options.name}: a failure while the update wrote the new state over the old one (${reason}). This state is lost: ` +
        'dispose of the handle, and load the state again from what was saved last';
      handle.spoil(lost);
      throw new Error(lost, { cause });
    }
  }

  private async bindingOf(variant: Variant, handle: OnnxState): Promise<Binding> {
    const known = this.bindings.get(handle) ?? new Map<Variant, Binding>();
    this.bindings.set(handle, known);
    let binding = known.get(variant);
    if (binding === undefined) {
      const threads = variant.update && (await this.start(variant.update.module, handle));
      known.set(variant, (binding = new Binding(variant, handle, threads)));
    }
    return binding;
  }

  /** Threads for an update, until the program or the state is disposed of. */
  private async start(module: WasmModule, handle: OnnxState): Promise<UpdateThreads> {
    const threads = await startThreads(module, handle.shared!.memory, this.options.threads);
    this.threads.add(threads);
    handle.onDispose(() => {
      this.threads.delete(threads);
      threads.dispose();
    });
    return threads;
  }

  private variant(state: ArraySpecs, inputs: ArraySpecs): Promise<Variant> {
    const signature = (specs: ArraySpecs) =>
      Object.entries(specs)
        .map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join(',')}]`)
        .toSorted()
        .join(' ');
    const key = `${signature(state)} | ${signature(inputs)}`;
    let variant = this.variants.get(key);
    if (variant === undefined) {
      variant = build(this.program, this.options.name, state, inputs, this.options.build);
      this.variants.set(key, variant);
      // A failed compilation is not kept: the next call reports it afresh.
      variant.catch(() => this.variants.delete(key));
    }
    return variant;
  }
}
