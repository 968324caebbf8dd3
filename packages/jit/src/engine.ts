import { checkInteger, type CompiledProgram, type CompileOptions, type Engine, type Program } from '@dm/ops';
import { EngineError } from './errors.js';
import type { EngineObserver } from './inspect/observer.js';
import { OnnxProgram } from './execute/program.js';
import { openRuntime } from './runtime/open-runtime.js';
import { defaultThreads, isNode } from './runtime/processors.js';
import { probeBlockSize, checkDevice } from './runtime/probes.js';
import {
  type Device,
  devices,
  type Runtime,
  type RuntimeSession,
  type RuntimeSessionOptions,
} from './runtime/runtime.js';

export interface OnnxEngineOptions {
  /** Threads within one operator, at least 1. Default: the number of physical cores available to the process. */
  readonly threads?: number;
  /**
   * `auto` (default) uses the runtime's blocked convolutions if a probe finds that they agree with the plain ones;
   * `plain` never uses them.
   */
  readonly convolutions?: 'auto' | 'plain';
  /**
   * Compute device, `cpu` by default. Other devices use standard operators only and copy the state in and out on each
   * call.
   */
  readonly device?: Device;
  /**
   * The runtime to use, for example `createJavaScriptRuntime(module, name)`. Default: ONNX Runtime's C API in Node,
   * onnxruntime-node if the C API is unavailable or the device is not the CPU, onnxruntime-web elsewhere.
   */
  readonly runtime?: Runtime;
  /** Called after each compilation and each run. */
  readonly observer?: EngineObserver;
  /**
   * Writes a profile of each session to a file whose name begins with this prefix, such as `folder/session`. A profile
   * is complete once the program or the engine is disposed of; `parseProfile` reads it. Slows every call down.
   */
  readonly profilePrefix?: string;
}

/**
 * Opens the compiling engine: it traces a program once per signature of its inputs, lowers it to an ONNX graph, and
 * runs that graph in one session call per step.
 * @throws {RangeError} if `threads` is not a positive integer or `device` is unknown
 * @throws {EngineError} if the runtime package is not installed, or the device does not work on this machine
 */
export async function openOnnxEngine(options: OnnxEngineOptions = {}): Promise<Engine> {
  const { device = 'cpu' } = options;
  if (!devices.includes(device)) {
    throw new RangeError(`openOnnxEngine: unknown device "${device as string}"; expected one of ${devices.join(', ')}`);
  }
  if (options.threads !== undefined) checkInteger('openOnnxEngine: threads', options.threads, 1);
  const runtime = options.runtime ?? (await openRuntime(device));
  if (device !== 'cpu') await checkDevice(runtime, device);
  const block = options.convolutions === 'plain' || device !== 'cpu' ? 0 : await probeBlockSize(runtime);
  const threads = options.threads ?? (await defaultThreads());
  const info = {
    runtime: runtime.name,
    device,
    threads: threads ?? 'chosen by the runtime',
    block,
  };
  return new OnnxEngine(runtime, info, { ...options, threads });
}

class OnnxEngine implements Engine {
  readonly name = 'onnx';
  private readonly programs = new Set<OnnxProgram>();
  private disposed = false;

  constructor(
    private readonly runtime: Runtime,
    readonly info: Readonly<Record<string, string | number | boolean>>,
    private readonly options: Pick<OnnxEngineOptions, 'device' | 'observer' | 'profilePrefix'> & {
      readonly threads: number | undefined;
    },
  ) {}

  compile(program: Program, { name, commitIf }: CompileOptions = {}): CompiledProgram {
    if (this.disposed) throw new EngineError('DISPOSED', 'the engine "onnx" has been disposed of');
    const { observer = {}, device = 'cpu', threads } = this.options;
    const compiled = new OnnxProgram(program, {
      name: name ?? (program.name || 'program'),
      commitIf,
      owner: this,
      threads: threads ?? 1, // in a browser, state is not in shared memory, so updates are not threaded
      compiler: {
        lower: { block: this.info['block'] as number, portable: device !== 'cpu' },
        createSession: (model) => this.createSession(model),
        // In a browser, shared memory is available only if the server opts in (cross-origin isolation).
        sharedMemory: isNode && this.runtime.sharedArrays,
        compiled: (compilation) => observer.compiled?.(compilation),
      },
      observer,
      forget: (disposed) => void this.programs.delete(disposed),
    });
    this.programs.add(compiled);
    return compiled;
  }

  /** Frees the sessions of all programs that have not been disposed of. */
  async dispose(): Promise<void> {
    this.disposed = true;
    await Promise.all([...this.programs].map((program) => program.dispose()));
  }

  private createSession(model: Uint8Array): Promise<RuntimeSession> {
    const { threads, device = 'cpu', profilePrefix } = this.options;
    const settings: RuntimeSessionOptions = {
      device,
      ...(threads !== undefined && { threads }),
      ...(profilePrefix !== undefined && { profilePrefix }),
    };
    return this.runtime.createSession(model, settings);
  }
}
