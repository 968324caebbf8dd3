import * as tf from '@tensorflow/tfjs-core';
import { toTensors } from './arrays.js';
import { type EagerName, eagerBackends, onBackend, startBackend } from './eager-backends.js';
import type {
  Arrays,
  CompiledProgram,
  CompileOptions,
  DType,
  Engine,
  Program,
  StateHandle,
  Tensors,
} from './engine.js';
import { checkArray, checkFrozenState, copyOf, describe, isCommitted, isDType } from './nd-array.js';

export interface EagerOptions {
  /**
   * Imports the backend's package, for example `() => import('@tensorflow/tfjs-backend-wasm')`. Needed with a bundler,
   * which must see the import. Not called if the backend is already registered.
   */
  readonly load?: () => Promise<unknown>;
}

/**
 * Opens an engine that runs programs eagerly, op by op, on a TF.js backend. The backend's package is an optional peer
 * dependency and is imported here. The backend is selected only during the synchronous part of each call.
 * @throws {RangeError} if `name` is unknown
 * @throws {Error} if the package is not installed (the message has the command to install it), or the backend fails to
 *   start
 */
export async function openEagerEngine(name: EagerName, { load }: EagerOptions = {}): Promise<Engine> {
  if (!Object.hasOwn(eagerBackends, name)) {
    throw new RangeError(
      `openEagerEngine: unknown engine "${name}"; the engines are ${Object.keys(eagerBackends).join(', ')}`,
    );
  }
  return new EagerEngine(name, await startBackend(name, load));
}

class EagerEngine implements Engine {
  readonly info: Readonly<Record<string, string>>;
  readonly handles = new Set<EagerState>();
  private disposed = false;

  constructor(
    readonly name: EagerName,
    readonly backend: string,
  ) {
    const { binding } = tf.findBackend(backend) as { binding?: { TF_Version?: string } };
    const native = binding?.TF_Version;
    this.info = {
      tfjs: tf.version_core,
      package: eagerBackends[name].package,
      ...(native !== undefined && { libtensorflow: native }),
    };
  }

  compile(program: Program, options: CompileOptions = {}): CompiledProgram {
    this.check();
    return new EagerProgram(this, program, options.name ?? (program.name || 'program'), options);
  }

  check(): void {
    if (this.disposed) throw new Error(`the engine "${this.name}" was used after dispose()`);
  }

  async dispose(): Promise<void> {
    for (const handle of this.handles) handle.release();
    this.disposed = true;
  }
}

/**
 * Named tensors that `tf.tidy` does not free (`tf.keep`). They live until they are replaced or the handle is disposed.
 */
class EagerState implements StateHandle {
  private tensors: Tensors;
  private running = false;
  private disposed = false;

  constructor(
    readonly engine: EagerEngine,
    arrays: Arrays,
  ) {
    this.tensors = keptTensors(engine.backend, arrays);
    engine.handles.add(this);
  }

  /**
   * Runs `body` on the state.
   * @throws {Error} if another call on this handle is pending
   */
  async exclusively<T>(body: (tensors: Tensors) => Promise<T>): Promise<T> {
    if (this.disposed) throw new Error('the state handle was used after dispose()');
    if (this.running) throw new Error('another call on this state handle is still running; await it first');
    this.running = true;
    try {
      return await body(this.tensors);
    } finally {
      this.running = false;
    }
  }

  read(names?: readonly string[]): Promise<Arrays> {
    return this.exclusively((tensors) => this.copies(names ?? Object.keys(tensors)));
  }

  write(arrays: Arrays): Promise<void> {
    return this.exclusively(async () => {
      for (const [name, array] of Object.entries(arrays)) {
        checkArray(`state "${name}"`, array);
        this.fits(name, array, (own) => `state "${name}" must be ${own}, got ${describe(array)}`);
      }
      this.replace(keptTensors(this.engine.backend, arrays));
    });
  }

  update(names: readonly string[], change: (arrays: Arrays) => void | Promise<void>): Promise<void> {
    return this.exclusively(async () => {
      const arrays = await this.copies(names);
      await change(arrays);
      this.replace(keptTensors(this.engine.backend, arrays));
    });
  }

  private copies(names: readonly string[]): Promise<Arrays> {
    for (const name of names) this.known(name);
    const copies = onBackend(this.engine.backend, () => clones(names.map((name) => [name, this.tensors[name]!])));
    for (const copy of Object.values(copies)) tf.keep(copy);
    return toArrays(copies);
  }

  /** Replaces the entries of these names and frees the old tensors. */
  replace(kept: Tensors): void {
    const old = Object.keys(kept).map((name) => this.tensors[name]!);
    Object.assign(this.tensors, kept);
    tf.dispose(old);
  }

  /** @throws {Error} unless `value` has the dtype and shape of the entry */
  fits(name: string, value: { dtype: string; shape: readonly number[] }, message: (own: string) => string): void {
    this.known(name);
    const own = describe(this.tensors[name]!);
    if (own !== describe(value)) throw new Error(message(own));
  }

  dispose(): void {
    if (this.running) throw new Error('cannot dispose of a state handle while a call on it is running');
    this.release();
  }

  /** Frees the tensors. This is safe during a pending read, which works on clones. */
  release(): void {
    tf.dispose(this.tensors);
    this.tensors = {};
    this.disposed = true;
    this.engine.handles.delete(this);
  }

  private known(name: string): void {
    if (Object.hasOwn(this.tensors, name)) return;
    throw new Error(`unknown state "${name}"; the state entries are ${list(this.tensors)}`);
  }
}

class EagerProgram implements CompiledProgram {
  private disposed = false;

  constructor(
    private readonly engine: EagerEngine,
    private readonly program: Program,
    private readonly name: string,
    private readonly options: CompileOptions,
  ) {}

  async load(arrays: Arrays): Promise<StateHandle> {
    this.check();
    for (const [name, array] of Object.entries(arrays)) checkArray(`${this.name}: state "${name}"`, array);
    return new EagerState(this.engine, arrays);
  }

  async run(handle: StateHandle, inputs: Arrays): Promise<Arrays> {
    this.check();
    if (!(handle instanceof EagerState) || handle.engine !== this.engine) {
      throw new Error(`${this.name}: the state handle belongs to another engine`);
    }
    for (const [name, array] of Object.entries(inputs)) checkArray(`${this.name}: input "${name}"`, array);
    return handle.exclusively(async (state) => {
      const { next, outputs } = onBackend(this.engine.backend, () => this.call(handle, state, inputs));
      const { commitIf, commitIfFinite = [] } = this.options;
      if (commitIf === undefined && commitIfFinite.length === 0) {
        handle.replace(next);
        return toArrays(outputs);
      }
      let kept = false;
      try {
        const arrays = await toArrays(outputs);
        kept = isCommitted(this.name, arrays, this.options);
        return arrays;
      } finally {
        if (kept) handle.replace(next);
        else tf.dispose(next);
      }
    });
  }

  async dispose(): Promise<void> {
    this.disposed = true;
  }

  private check(): void {
    this.engine.check();
    if (this.disposed) throw new Error(`${this.name}: the program was used after dispose()`);
  }

  /** The synchronous part of a run. Frees all tensors except its results. If it throws, the state is unchanged. */
  private call(handle: EagerState, state: Tensors, inputs: Arrays): { next: Tensors; outputs: Tensors } {
    return tf.tidy(() => {
      const given = toTensors(inputs);
      const missing: string[] = [];
      const watch = (kind: string, tensors: Tensors): Tensors =>
        new Proxy(
          { ...tensors },
          {
            get(target, key) {
              if (typeof key === 'string' && !Object.hasOwn(target, key)) {
                missing.push(`${kind} "${key}" (available: ${list(target)})`);
              }
              return Reflect.get(target, key) as tf.Tensor;
            },
          },
        );
      let result: ReturnType<Program> | Promise<unknown>;
      try {
        result = this.program(watch('state', state), watch('input', given));
      } catch (cause) {
        if (missing.length === 0) throw cause;
        throw new Error(`${this.name}: failed after reading the missing ${missing.join(' and ')}`, { cause });
      }
      if (result instanceof Promise) {
        throw new TypeError(`${this.name}: a program must be synchronous, but this one returned a promise`);
      }
      const changed: [string, tf.Tensor][] = [];
      for (const [name, tensor] of Object.entries(result.state ?? {})) {
        handle.fits(
          name,
          tensor,
          (own) => `${this.name}: state "${name}" must stay ${own}, but the program returned ${describe(tensor)}`,
        );
        if (tensor !== state[name]) changed.push([name, tensor]);
      }
      if (this.options.frozenState === true) {
        checkFrozenState(
          this.name,
          changed.map(([name]) => name),
        );
      }
      for (const [name, { dtype }] of Object.entries(result.outputs)) {
        if (!isDType(dtype)) {
          throw new TypeError(`${this.name}: output "${name}" must be float32, int32 or bool, got ${dtype}`);
        }
      }
      const next = clones(changed);
      const outputs = clones(Object.entries(result.outputs));
      for (const tensor of [...Object.values(next), ...Object.values(outputs)]) tf.keep(tensor);
      return { next, outputs };
    });
  }
}

const list = (tensors: Tensors): string =>
  Object.keys(tensors)
    .map((name) => `"${name}"`)
    .join(', ') || 'none';

function keptTensors(backend: string, arrays: Arrays): Tensors {
  return onBackend(backend, () =>
    Object.fromEntries(Object.entries(toTensors(arrays)).map(([name, tensor]) => [name, tf.keep(tensor)])),
  );
}

/** New handles to the same data, since a program may return a tensor twice, or return an input or a state entry. */
const clones = (entries: readonly (readonly [string, tf.Tensor])[]): Tensors =>
  Object.fromEntries(entries.map(([name, tensor]) => [name, tf.clone(tensor)]));

/** Copies tensors into arrays, then frees the tensors. */
async function toArrays(tensors: Tensors): Promise<Arrays> {
  try {
    const entries = Object.entries(tensors).map(async ([name, tensor]) => {
      const values = await tensor.data<DType>();
      return [name, copyOf(tensor.dtype as DType, tensor.shape, values)] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  } finally {
    tf.dispose(tensors);
  }
}
