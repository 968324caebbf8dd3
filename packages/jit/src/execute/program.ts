import {
  type Arrays,
  checkArray,
  type CompiledProgram,
  type CompileOptions,
  isCommitted,
  type Program,
  type StateHandle,
} from '@dm/ops';
import { compileProgram, type Releasable, type Specialization } from '../compile.js';
import { EngineError } from '../errors.js';
import type { TensorSpec, TensorSpecs } from '../graph/graph.js';
import type { EngineObserver } from '../inspect/observer.js';
import type { BufferedState } from './buffered-state.js';
import type { Execution, Step } from './execution.js';

export interface ProgramOptions {
  readonly name: string;
  readonly commit: Pick<CompileOptions, 'commitIf' | 'commitIfFinite'>;
  readonly observer: EngineObserver;
  /** Called once the program has been disposed of. */
  readonly forget: () => void;
}

/** A program, compiled once for each signature of state and inputs. */
export class OnnxProgram<S extends Releasable, State extends BufferedState<TensorSpec>> implements CompiledProgram {
  private readonly specializations = new Map<string, Promise<Specialization<S>>>();
  private readonly steps = new WeakMap<State, Map<Specialization<S>, Step>>();
  private readonly runs = new Set<Promise<Arrays>>();
  private disposed = false;

  constructor(
    private readonly program: Program,
    private readonly options: ProgramOptions,
    private readonly execution: Execution<S, State>,
  ) {}

  async load(arrays: Arrays): Promise<StateHandle> {
    this.check();
    return this.execution.load(arrays);
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
    const { name, commit, observer } = this.options;
    if (!this.execution.owns(handle)) {
      throw new EngineError('STATE_MISMATCH', `${name}: the state handle belongs to another engine`);
    }
    for (const [key, array] of Object.entries(inputs)) checkArray(`input "${key}"`, array);
    const specs = handle.specs;
    const began = performance.now();
    handle.running = true;
    try {
      const specialization = await this.specialization(specs, inputs);
      const step = await this.stepOf(specialization, handle);
      const { outputs, sessionMs, copiedBytes, update } = await step.compute(inputs);
      let updateMs = 0;
      if (isCommitted(name, outputs, commit)) {
        if (update !== undefined) {
          const updateBegan = performance.now();
          await this.updating(update, handle);
          updateMs = performance.now() - updateBegan;
        }
        for (const entry of specialization.swaps) handle.swap(entry);
      }
      const ms = performance.now() - began;
      observer.ran?.({ name, ms, sessionMs: sessionMs + updateMs, updateMs, copiedBytes });
      return outputs;
    } finally {
      handle.running = false;
    }
  }

  /** Waits for pending calls, then frees the sessions. */
  async dispose(): Promise<void> {
    this.disposed = true;
    this.options.forget();
    await Promise.allSettled(this.runs);
    const specializations = await Promise.allSettled(this.specializations.values());
    this.specializations.clear();
    await this.execution.dispose();
    for (const specialization of specializations) {
      if (specialization.status === 'rejected') continue;
      await specialization.value.main.session.release();
    }
  }

  private check(): void {
    if (this.disposed) throw new EngineError('DISPOSED', `${this.options.name}: this program has been disposed of`);
  }

  private async updating(update: () => Promise<void>, handle: State): Promise<void> {
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

  private async stepOf(specialization: Specialization<S>, handle: State): Promise<Step> {
    const known = this.steps.get(handle) ?? new Map<Specialization<S>, Step>();
    this.steps.set(handle, known);
    let step = known.get(specialization);
    if (step === undefined) known.set(specialization, (step = await this.execution.bind(specialization, handle)));
    return step;
  }

  private specialization(state: TensorSpecs, inputs: TensorSpecs): Promise<Specialization<S>> {
    const signature = (specs: TensorSpecs) =>
      Object.entries(specs)
        .map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join(',')}]`)
        .toSorted()
        .join(' ');
    const key = `${signature(state)} | ${signature(inputs)}`;
    let specialization = this.specializations.get(key);
    if (specialization === undefined) {
      specialization = this.compile(state, inputs);
      this.specializations.set(key, specialization);
      // A failed compilation is not cached: the next call reports it again.
      specialization.catch(() => this.specializations.delete(key));
    }
    return specialization;
  }

  private async compile(state: TensorSpecs, inputs: TensorSpecs): Promise<Specialization<S>> {
    const { name, observer } = this.options;
    observer.compiling?.(name);
    const began = performance.now();
    try {
      return await compileProgram(this.program, name, state, inputs, this.execution.compiler);
    } finally {
      observer.compileEnded?.(name, performance.now() - began);
    }
  }
}
