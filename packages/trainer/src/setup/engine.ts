/** Engines by name: the compiler, or TF.js as it is. */
import { openOnnxEngine, type Device, type EngineObserver } from '@dm/jit';
import { openEagerEngine, type Engine } from '@dm/ops';
import type { Config } from '../config/schema.js';
import { engineNames, type EngineName } from '../config/names.js';
import { UserError } from '../errors.js';
import { suggestion } from '../config/suggestion.js';

export interface EngineOptions {
  /** Threads, for `onnx`; the eager engines choose their own. */
  readonly threads?: number;
  /** What `onnx` computes on; `cpu` by default. The eager engines are each for one device. */
  readonly device?: Device;
  /** Is told what `onnx` compiles and runs; the eager engines tell nothing. */
  readonly observer?: EngineObserver;
  /** For `onnx`: where the runtime writes profiles, see `OnnxEngineOptions`. */
  readonly profilePrefix?: string;
}

/** Opens an engine. Throws an Error that says why it does not work here, and how to install what it needs. */
export async function openEngine(name: string, options: EngineOptions = {}): Promise<Engine> {
  if (!isEngineName(name))
    throw new UserError(`Unknown engine "${name}". ${suggestion(name, engineNames)}`, { code: 'OPTION_UNKNOWN' });
  if (name === 'onnx') return openOnnxEngine(options);
  const { threads, device = 'cpu' } = options;
  if (device !== 'cpu')
    throw new UserError(`The engine ${name} has no devices to choose from: leave out --device.`, {
      code: 'ENGINE_UNSUITABLE',
    });
  if (threads !== undefined)
    throw new UserError(`The engine ${name} chooses its own threads: leave out --threads.`, {
      code: 'ENGINE_UNSUITABLE',
    });
  return openEagerEngine(name);
}

/** What a configuration says of its engine, besides the name. */
export function engineOptions({ threads, device }: Pick<Config, 'threads' | 'device'>): EngineOptions {
  return { device, ...(threads !== null && { threads }) };
}

function isEngineName(name: string): name is EngineName {
  return (engineNames as readonly string[]).includes(name);
}
