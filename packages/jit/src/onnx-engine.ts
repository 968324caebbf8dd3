import { checkInteger, type CompiledProgram, type CompileOptions, type Engine, type Program } from '@dm/ops';
import type { CompilerOptions } from './compile.js';
import { checkDevice } from './device-probe.js';
import { EngineError } from './errors.js';
import { DeviceExecution } from './execute/device-execution.js';
import { HostExecution } from './execute/host-execution.js';
import { OnnxProgram, type ProgramOptions } from './execute/program.js';
import type { Compilation, EngineObserver } from './inspect/observer.js';
import type { BlockedConvolutions } from './lower/context.js';
import type { OnnxRuntimeModule } from './runtime/javascript.js';
import { checkCpuPrecision, precisionChecker } from './precision-probe.js';
import {
  type ConvolutionLayout,
  convolutionLayouts,
  type Device,
  type DeviceMemory,
  type DeviceRuntime,
  devices,
  type Runtime,
  type RuntimeSessionOptions,
} from './runtime/runtime.js';
import { unusableDevice } from './runtime/unusable-device.js';
import type { SharedUpdates } from './update/shared-updates.js';

export interface OnnxEngineOptions {
  /**
   * Threads within one operator, at least 1. Default in Node: the number of physical cores available to the process; in a
   * browser: half of the logical processors, 2 to 8, or 1 if the page is not cross-origin isolated. A browser starts the
   * threads of a module `ort` once, so all its engines have the same number.
   */
  readonly threads?: number;
  /**
   * ONNX Runtime's JavaScript module. Required in a browser: the page chooses the build that it loads:
   * `onnxruntime-web/wasm` for the device `cpu`, `onnxruntime-web/jspi` or `onnxruntime-web/webgpu` for both devices. In
   * Node the default is the C API; a module given there, such as onnxruntime-node, computes on `cpu` only.
   */
  readonly ort?: OnnxRuntimeModule;
  /**
   * `auto` (default) uses the runtime's blocked convolutions if a probe finds that they agree with the plain ones;
   * `plain` never uses them. A browser's runtime has none.
   */
  readonly convolutions?: 'auto' | 'plain';
  /**
   * Compute device, `cpu` by default. On other devices the state stays in the device's memory; each call copies inputs
   * and outputs only, and no operator runs on the CPU instead.
   */
  readonly device?: Device;
  /**
   * Layout in which the device `webgpu` computes convolutions: ONNX Runtime transposes images to `NHWC` (its default), or
   * uses its kernels for `NCHW`. Which one is faster depends on the card and the model.
   */
  readonly convolutionLayout?: ConvolutionLayout;
  /**
   * The runtime to use, for example `createJavaScriptRuntime(module, name)`. Default: a runtime on `ort` if that is given;
   * otherwise, in Node only, ONNX Runtime's C API, or onnxruntime-node for `cpu` if the C API is unavailable.
   */
  readonly runtime?: Runtime | DeviceRuntime;
  /** Called after each compilation and each run. */
  readonly observer?: EngineObserver;
  /**
   * Writes a profile of each session to a file whose name begins with this prefix, such as `folder/session`. A profile
   * is complete once the program or the engine is disposed of; `parseProfile` reads it. Slows every call down.
   */
  readonly profilePrefix?: string;
}

/** The parts that differ between Node and a browser. */
export interface EnginePlatform {
  /** Opens the runtime of an engine that was not given one. */
  openRuntime(device: Device, ort: OnnxRuntimeModule | undefined): Promise<Runtime | DeviceRuntime>;
  /** The number of threads if `wanted` are asked for; undefined leaves it to the runtime. */
  threads(wanted: number | undefined, ort: OnnxRuntimeModule | undefined): Promise<number | undefined>;
  /** Settings of sessions that only this platform has. */
  readonly deviceSettings?: Pick<RuntimeSessionOptions, 'deviceIndex' | 'tf32' | 'graphCapture'>;
  /** Finds the runtime's blocked convolutions; without it, there are none. */
  readonly probeBlocked?: (runtime: Runtime) => Promise<BlockedConvolutions | undefined>;
  /** Updates of state in shared memory; without it, states are in ordinary memory. */
  readonly updates?: SharedUpdates;
}

/** Opens the compiling engine; see `openOnnxEngine`. */
export async function openEngineOn(platform: EnginePlatform, options: OnnxEngineOptions): Promise<Engine> {
  const { device = 'cpu' } = options;
  if (!devices.includes(device)) {
    throw new RangeError(`openOnnxEngine: unknown device "${device as string}"; expected one of ${devices.join(', ')}`);
  }
  if (options.threads !== undefined) checkInteger('openOnnxEngine: threads', options.threads, 1);
  const { observer = {}, convolutions, convolutionLayout, profilePrefix, ort } = options;
  if (convolutionLayout !== undefined) checkLayout(convolutionLayout, device);
  const threads = await platform.threads(options.threads, ort);
  const runtime = options.runtime ?? (await platform.openRuntime(device, ort));
  const settings: RuntimeSessionOptions = {
    device,
    ...(threads !== undefined && { threads }),
    // Without it, the runtime would silently compute on the CPU what the device cannot.
    ...(device !== 'cpu' && { deviceOnly: true }),
    ...(convolutionLayout !== undefined && { convolutionLayout }),
    ...platform.deviceSettings,
  };
  const observed = { ...settings, ...(profilePrefix !== undefined && { profilePrefix }) };
  const infoOf = (blocked?: BlockedConvolutions) => ({
    runtime: runtime.name,
    device,
    threads: threads ?? 'chosen by the runtime',
    block: blocked?.block ?? 0,
    ...(convolutionLayout !== undefined && { convolutionLayout }),
    ...platform.deviceSettings,
  });

  const index = platform.deviceSettings?.deviceIndex;
  if ('openDevice' in runtime) {
    const memory = await openMemory(runtime, device, index);
    const probed = new OnnxEngine(infoOf(), {}, onDevice(memory, settings));
    try {
      await checkDevice(probed, device, index);
    } catch (error) {
      await memory.release();
      throw error;
    }
    const checkPrecision = precisionChecker(probed, device, index);
    return new OnnxEngine(infoOf(), observer, onDevice(memory, observed, checkPrecision), () => memory.release());
  }
  if (device !== 'cpu')
    await checkDevice(new OnnxEngine(infoOf(), {}, onHost(runtime, settings, undefined, platform)), device);
  const blocked = convolutions === 'plain' || device !== 'cpu' ? undefined : await platform.probeBlocked?.(runtime);
  return new OnnxEngine(infoOf(blocked), observer, onHost(runtime, observed, blocked, platform));
}

function checkLayout(layout: ConvolutionLayout, device: Device): void {
  if (!convolutionLayouts.includes(layout)) {
    throw new RangeError(
      `openOnnxEngine: unknown convolutionLayout "${layout as string}"; expected one of ${convolutionLayouts.join(', ')}`,
    );
  }
  if (device !== 'webgpu') {
    throw new RangeError(`openOnnxEngine: convolutionLayout is for the device webgpu only, not for ${device}`);
  }
}

/**
 * Opens the memory of a device.
 * @throws {EngineError} with the runtime's reason, if that fails
 */
async function openMemory(runtime: DeviceRuntime, device: Device, index?: number): Promise<DeviceMemory> {
  try {
    return await runtime.openDevice(device, index);
  } catch (cause) {
    throw unusableDevice(device, cause, runtime.deviceHint, index);
  }
}

/** Creates a program of an engine, which owns its states. */
type CreateProgram = (owner: object, program: Program, options: ProgramOptions) => CompiledProgram;

/** Programs whose graphs run on the engine's own arrays. */
function onHost(
  runtime: Runtime,
  settings: RuntimeSessionOptions,
  blocked: BlockedConvolutions | undefined,
  { updates }: EnginePlatform,
): CreateProgram {
  const { device, threads = 1 } = settings;
  return (owner, program, options) => {
    const compiler = {
      lower: { blocked, target: device === 'cpu' ? 'cpu' : 'gpu' },
      createSession: (model: Uint8Array) => runtime.createSession(model, settings),
      updates: runtime.sharedArrays ? updates : undefined,
      checkPrecision: checkCpuPrecision,
      compiled: (compilation: Compilation) => options.observer.compiled?.(compilation),
    } as const;
    return new OnnxProgram(program, options, new HostExecution(owner, compiler, threads));
  };
}

/** Programs whose graphs run on a device, with their states in its memory. Default: every precision may be tried. */
function onDevice(
  memory: DeviceMemory,
  settings: RuntimeSessionOptions,
  checkPrecision: CompilerOptions<unknown>['checkPrecision'] = async () => {},
): CreateProgram {
  return (owner, program, options) => {
    const compiler = {
      lower: { target: 'gpu' },
      createSession: (model: Uint8Array) => memory.createSession(model, settings),
      checkPrecision,
      compiled: (compilation: Compilation) => options.observer.compiled?.(compilation),
    } as const;
    return new OnnxProgram(program, options, new DeviceExecution(owner, compiler, memory));
  };
}

class OnnxEngine implements Engine {
  readonly name = 'onnx';
  private readonly programs = new Set<CompiledProgram>();
  private disposed = false;

  /** `release` frees what all programs share. */
  constructor(
    readonly info: Readonly<Record<string, string | number | boolean>>,
    private readonly observer: EngineObserver,
    private readonly createProgram: CreateProgram,
    private readonly release?: () => Promise<void>,
  ) {}

  compile(program: Program, { name, frozenState = false, ...commit }: CompileOptions = {}): CompiledProgram {
    if (this.disposed) throw new EngineError('DISPOSED', 'the engine "onnx" has been disposed of');
    const compiled = this.createProgram(this, program, {
      name: name ?? (program.name || 'program'),
      commit,
      frozenState,
      observer: this.observer,
      forget: () => void this.programs.delete(compiled),
    });
    this.programs.add(compiled);
    return compiled;
  }

  /** Frees the sessions of all programs that have not been disposed of, and on a device all states. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await Promise.all([...this.programs].map((program) => program.dispose()));
    await this.release?.();
  }
}
