/** Opens engines by name: the compiler `onnx`, or eager TF.js. */
import { openOnnxEngine, type Device, type EngineObserver } from '@dm/jit';
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
  readonly device?: Device;
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
    const settings = { ...others, device, ...(threads !== undefined && { threads }) };
    return inPhase(onPhase, phase, () =>
      openOnnxEngine({ ...settings, observer: withCompilationPhases(observer, onPhase) }),
    );
  }
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

/** The engine options of a configuration. */
export function engineOptions({ threads, device }: Pick<Config, 'threads' | 'device'>): EngineOptions {
  return { device, ...(threads !== null && { threads }) };
}

function isEngineName(name: string): name is EngineName {
  return (engineNames as readonly string[]).includes(name);
}
