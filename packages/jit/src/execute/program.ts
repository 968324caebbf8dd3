import {
  type Arrays,
  checkArray,
  type CompiledProgram,
  type CompileOptions,
  isCommitted,
  type Program,
  type StateHandle,
} from '@dm/ops';
import { compileProgram, type Releasable, type Signature, type Specialization } from '../compile.js';
import { EngineError } from '../errors.js';
import type { TensorSpec, TensorSpecs } from '../graph/graph.js';
import type { EngineObserver } from '../inspect/observer.js';
import type { BufferedState } from './buffered-state.js';
import type { Execution, Step } from './execution.js';

export interface ProgramOptions {
  readonly name: string;
  readonly commit: Pick<CompileOptions, 'commitIf' | 'commitIfFinite'>;
  /** Whether the program may not change the state, whose values are then compiled in if they are within reach. */
  readonly frozenState: boolean;
  readonly observer: EngineObserver;
  /** Called once the program has been disposed of. */
  readonly forget: () => void;
}

/** Specializations by the signature of state and inputs. */
type Specializations<S> = Map<string, Promise<Specialization<S>>>;

/** The specializations for the values that a state had at one version. */
interface FrozenSpecializations<S> {
  readonly version: number;
  readonly specializations: Specializations<S>;
  /** Ends the release of them on the state's disposal. */
  readonly unsubscribe: () => void;
}

/**
 * A program, compiled once for each signature of state and inputs; with `frozenState`, also for each state, and again
 * after that has changed.
 */
export class OnnxProgram<S extends Releasable, State extends BufferedState<TensorSpec>> implements CompiledProgram {
  private readonly specializations: Specializations<S> = new Map();
  private readonly frozen = new Map<State, FrozenSpecializations<S>>();
  private readonly steps = new WeakMap<State, WeakMap<Specialization<S>, Step>>();
  /** Releases of sessions that are pending, or have failed, which `dispose` reports. */
  private readonly releases = new Set<Promise<void>>();
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
      const specialization = await this.specialization(handle, { state: specs, inputs });
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
    await this.execution.dispose();
    this.release(this.specializations);
    for (const handle of this.frozen.keys()) this.releaseFrozen(handle);
    await Promise.all(this.releases);
  }

  private check(): void {
    if (this.disposed) throw new EngineError('DISPOSED', `${this.options.name}: this program has been disposed of`);
  }

  private async updating(update: () => Promise<void>, handle: State): Promise<void> {
    try {
      await update();
      handle.changed();
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
    const known = this.steps.get(handle) ?? new WeakMap<Specialization<S>, Step>();
    this.steps.set(handle, known);
    let step = known.get(specialization);
    if (step === undefined) known.set(specialization, (step = await this.execution.bind(specialization, handle)));
    return step;
  }

  private specialization(handle: State, { state, inputs }: Signature): Promise<Specialization<S>> {
    const signature = (specs: TensorSpecs) =>
      Object.entries(specs)
        .map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join(',')}]`)
        .toSorted()
        .join(' ');
    const key = `${signature(state)} | ${signature(inputs)}`;
    const valuesOf = this.options.frozenState ? this.execution.valuesOf : undefined;
    const specializations = valuesOf === undefined ? this.specializations : this.frozenSpecializations(handle);
    let specialization = specializations.get(key);
    if (specialization === undefined) {
      specialization = this.compile({ state, inputs }, valuesOf?.(handle));
      specializations.set(key, specialization);
      // A failed compilation is not cached: the next call reports it again.
      specialization.catch(() => specializations.delete(key));
    }
    return specialization;
  }

  /** The specializations for the present values of a state. Those for its former values are released. */
  private frozenSpecializations(handle: State): Specializations<S> {
    const { version } = handle;
    const known = this.frozen.get(handle);
    if (known?.version === version) return known.specializations;
    this.releaseFrozen(handle);
    const specializations: Specializations<S> = new Map();
    const unsubscribe = handle.onDispose(() => this.releaseFrozen(handle));
    this.frozen.set(handle, { version, specializations, unsubscribe });
    return specializations;
  }

  private releaseFrozen(handle: State): void {
    const known = this.frozen.get(handle);
    if (known === undefined) return;
    known.unsubscribe();
    this.frozen.delete(handle);
    this.release(known.specializations);
  }

  private release(specializations: Specializations<S>): void {
    const release = releaseAll(specializations);
    this.releases.add(release);
    release.then(
      () => this.releases.delete(release),
      () => {},
    );
  }

  private async compile(signature: Signature, values: Arrays | undefined): Promise<Specialization<S>> {
    const { name, observer, frozenState } = this.options;
    observer.compiling?.(name);
    const began = performance.now();
    try {
      return await compileProgram(this.program, name, signature, this.execution.compiler, values ?? frozenState);
    } finally {
      observer.compileEnded?.(name, performance.now() - began);
    }
  }
}

/**
 * Forgets these specializations and releases their sessions. If some cannot be released, rejects with the first reason
 * after it has tried all.
 */
async function releaseAll<S extends Releasable>(specializations: Specializations<S>): Promise<void> {
  const all = [...specializations.values()];
  specializations.clear();
  const released = await Promise.allSettled(
    (await Promise.allSettled(all)).map(async (compiled) => {
      if (compiled.status === 'fulfilled') await compiled.value.main.session.release();
    }),
  );
  for (const result of released) if (result.status === 'rejected') throw result.reason;
}
