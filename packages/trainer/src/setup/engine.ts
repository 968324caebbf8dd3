/** Opens engines by name: the compiler `onnx`, or eager TF.js. */
import { openOnnxEngine, type DeviceName, type EngineObserver } from '@dm/jit';
import { openEagerEngine, type Engine } from '@dm/ops';
import type { Config } from '../config/schema.js';
import { engineNames, type EngineName } from '../config/names.js';
import { UserError } from '../errors.js';
import { inPhase, withCompilationPhases, type OnPhase } from './phases.js';
import { suggestion } from '../config/suggestion.js';

export interface EngineOptions {
  /** Number of threads; only for `onnx`, since the eager engines choose their own. */
  readonly threads?: number;
  /** Device of `onnx`. Default: `cpu`. Each eager engine has a fixed device. */
  readonly device?: DeviceName;
  /** Graph capture and TF32, see `NodeEngineOptions`; for devices of `onnx` that have them. */
  readonly graphCapture?: boolean;
  readonly tf32?: boolean;
  /** Receives the compilations and calls of `onnx`; not used by the eager engines. */
  readonly observer?: EngineObserver;
  /** Receives the start of the engine and, of `onnx`, compilations. */
  readonly onPhase?: OnPhase | undefined;
  /** For `onnx`: path prefix of the runtime's profiles, see `OnnxEngineOptions`. */
  readonly profilePrefix?: string;
}

/**
 * Opens an engine.
 *
 * @throws {Error} if it does not work on this machine; the message says why, and how to install what it needs
 */
export async function openEngine(name: string, options: EngineOptions = {}): Promise<Engine> {
  if (!isEngineName(name))
    throw new UserError(`Unknown engine "${name}". ${suggestion(name, engineNames)}`, { code: 'OPTION_UNKNOWN' });
  const { threads, device = 'cpu', onPhase, observer = {}, ...others } = options;
  const phase = `starting engine ${name}${device === 'cpu' ? '' : ` on ${device}`}`;
  if (name === 'onnx') {
    checkDeviceOptions(device, others);
    const settings = { ...others, device, ...(threads !== undefined && { threads }) };
    return inPhase(onPhase, phase, () =>
      openOnnxEngine({ ...settings, observer: withCompilationPhases(observer, onPhase) }),
    );
  }
  if (others.graphCapture === true || others.tf32 === true)
    throw new UserError(`The engine ${name} has neither graphCapture nor tf32: set both to false.`, {
      code: 'ENGINE_UNSUITABLE',
    });
  if (device !== 'cpu')
    throw new UserError(`The engine ${name} has no devices to choose from: leave out --device.`, {
      code: 'ENGINE_UNSUITABLE',
    });
  if (threads !== undefined)
    throw new UserError(`The engine ${name} chooses its own threads: leave out --threads.`, {
      code: 'ENGINE_UNSUITABLE',
    });
  return inPhase(onPhase, phase, () => openEagerEngine(name));
}

/** @throws {UserError} if the device does not have one of the options */
function checkDeviceOptions(
  device: DeviceName,
  { graphCapture = false, tf32 = false, profilePrefix }: EngineOptions,
): void {
  const refused = (reason: string) => new UserError(reason, { code: 'ENGINE_UNSUITABLE' });
  if (graphCapture && device === 'cpu')
    throw refused('graphCapture works on the devices webgpu and cuda, not on cpu: set graphCapture=false.');
  if (tf32 && !device.startsWith('cuda'))
    throw refused(`tf32 works on the device cuda, not on ${device}: set tf32=false.`);
  if (graphCapture && profilePrefix !== undefined)
    throw refused('A profile cannot show runs that graphCapture replays: set graphCapture=false.');
}

/** The engine options of a configuration. */
export function engineOptions({
  threads,
  device,
  graphCapture,
  tf32,
}: Pick<Config, 'threads' | 'device' | 'graphCapture' | 'tf32'>): EngineOptions {
  return {
    device,
    ...(threads !== null && { threads }),
    ...(graphCapture && { graphCapture }),
    ...(tf32 && { tf32 }),
  };
}

function isEngineName(name: string): name is EngineName {
  return (engineNames as readonly string[]).includes(name);
}
