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
  /** Threads inside one operator, at least 1. Default: the physical cores among the processors that the process may use. */
  readonly threads?: number;
  /**
   * `auto` (default) uses the runtime's blocked convolutions where a probe finds that they agree with the plain ones;
   * `plain` never does.
   */
  readonly convolutions?: 'auto' | 'plain';
  /** What computes. Default `cpu`; on another device only the standard operators are used, and state goes there and back. */
  readonly device?: Device;
  /**
   * The runtime to use, `createJavaScriptRuntime(module, name)` for instance. Default: ONNX Runtime's C API under Node, or
   * onnxruntime-node where that cannot be reached or the device is not the processor; onnxruntime-web elsewhere.
   */
  readonly runtime?: Runtime;
  /** Is told of each compilation and each call. */
  readonly observer?: EngineObserver;
  /**
   * Beginning of the names of the files that the runtime writes a profile of each session to, such as
   * `folder/session`; complete once the program or the engine is disposed of, and read by `parseProfile`. Slows every
   * call down.
   */
  readonly profilePrefix?: string;
}

/**
 * The compiling engine: traces a program once for each signature of its inputs, lowers it to an ONNX graph and runs
 * that, one session call a step. Throws when the runtime package is not installed, `threads` is not a positive integer,
 * or the device does not work here, with the runtime's reason.
 */
export async function openOnnxEngine(options: OnnxEngineOptions = {}): Promise<Engine> {
  const { device = 'cpu' } = options;
  if (!devices.includes(device)) {
    throw new RangeError(`openOnnxEngine: no device "${device as string}"; there are ${devices.join(', ')}`);
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
      threads: threads ?? 1, // a browser has no state in shared memory, so no threads for an update
      compiler: {
        lower: { block: this.info['block'] as number, portable: device !== 'cpu' },
        createSession: (model) => this.createSession(model),
        // A browser's page has shared memory only where its server asks for it.
        sharedMemory: isNode && this.runtime.sharedArrays,
        compiled: (compilation) => observer.compiled?.(compilation),
      },
      observer,
      forget: (disposed) => void this.programs.delete(disposed),
    });
    this.programs.add(compiled);
    return compiled;
  }

  /** Frees the sessions of programs that their makers have not disposed of. */
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
