/** The engine of one of several ranks: its threads, and its device. */
import { availableParallelism, hostname } from 'node:os';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import { allowedProcessors } from '../machine/processors.js';
import { engineOptions, type EngineOptions } from '../setup/engine.js';
import type { Group } from '../setup/group.js';

/** Environment variable that allows several ranks on one device when set to 1. */
const shareVariable = 'DM_SHARE_DEVICE';

/**
 * The engine options of this rank. Without `threads`, ranks of a host that share the same processors divide them; a rank
 * that is bound to its own uses all of them.
 *
 * @throws {UserError} `ENGINE_UNSUITABLE` if ranks of a host would share a device
 */
export async function rankEngineOptions(group: Group, config: Config): Promise<EngineOptions> {
  const options = engineOptions(config);
  if (group.size === 1) return options;
  const own = { host: hostname(), processors: allowedProcessors(), device: config.device };
  const local = (await group.exchange(() => own)).filter(({ host }) => host === own.host);
  const onDevice = local.filter(({ device }) => device === own.device).length;
  if (own.device !== 'cpu' && onDevice > 1 && process.env[shareVariable] !== '1') {
    throw new UserError(
      `${onDevice} ranks on ${own.host} would share the device ${own.device}: start one per host, or set ${shareVariable}=1.`,
      { code: 'ENGINE_UNSUITABLE' },
    );
  }
  const sharing = local.filter(({ processors }) => processors === own.processors).length;
  if (sharing === 1 || config.threads !== null || config.engine !== 'onnx') return options;
  return { ...options, threads: Math.max(1, Math.floor(availableParallelism() / sharing)) };
}
