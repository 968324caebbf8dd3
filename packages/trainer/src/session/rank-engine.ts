/** The engine of one of several ranks: its threads, and its device. */
import { availableParallelism, hostname } from 'node:os';
import { cardPattern } from '../config/names.js';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import { allowedProcessors } from '../machine/processors.js';
import { engineOptions, type EngineOptions } from '../setup/engine.js';
import type { Group } from '../setup/group.js';

/** Environment variable that allows several ranks on one device when set to 1. */
const shareVariable = 'DM_SHARE_DEVICE';

/**
 * The engine options of this rank. Without `threads`, ranks of a host that share the same processors divide them; a rank
 * that is bound to its own uses all of them. With `cuda`, the ranks of a host use its cards `cuda:0`, `cuda:1`, ..., or the
 * one in CUDA_VISIBLE_DEVICES; a host with fewer cards than ranks fails when the engine opens. An explicit card, such as
 * `cuda:1`, is the one used; ranks that would share it are refused.
 *
 * @throws {UserError} `ENGINE_UNSUITABLE` if ranks of a host would share a device
 */
export async function rankEngineOptions(group: Group, config: Config): Promise<EngineOptions> {
  const options = engineOptions(config);
  if (group.size === 1) return options;
  const visible = process.env['CUDA_VISIBLE_DEVICES'] ?? '';
  const { device } = config;
  const own = { host: hostname(), processors: allowedProcessors(), device, visible, rank: group.rank };
  const local = (await group.exchange(() => own)).filter(({ host }) => host === own.host);
  const onDevice = local.filter((other) => cardOf(other) === cardOf(own));
  const isShared = process.env[shareVariable] === '1';
  const sharing = local.filter(({ processors }) => processors === own.processors).length;
  const isDivided = sharing > 1 && config.threads === null && config.engine === 'onnx';
  const divided = {
    ...options,
    ...(isDivided && { threads: Math.max(1, Math.floor(availableParallelism() / sharing)) }),
  };
  // Ranks of a host take its cards in the order of ranks, unless the launcher has given each its own.
  const hasOwnCard = /^[^,]+$/.test(visible);
  const card = local.find((other) => other.device.startsWith('cuda:'));
  const isMixed = card !== undefined && local.some((other) => other.device === 'cuda');
  if (isMixed && own.device.startsWith('cuda') && !isShared) {
    throw new UserError(
      `Ranks on ${own.host} use both the device cuda and ${card.device}, so that two could take the same card: use cuda ` +
        'for all of them, or the index of a card for each.',
      { code: 'ENGINE_UNSUITABLE' },
    );
  }
  if (own.device === 'cuda' && !isShared) {
    return hasOwnCard ? divided : { ...divided, device: `cuda:${onDevice.findIndex(({ rank }) => rank === own.rank)}` };
  }
  if (own.device !== 'cpu' && onDevice.length > 1 && !isShared) {
    const remedy = own.device.startsWith('cuda:')
      ? 'use the device cuda, which gives each rank its own card'
      : 'start one per host';
    throw new UserError(
      `${onDevice.length} ranks on ${own.host} would share the device ${own.device}: ${remedy}, or set ${shareVariable}=1.`,
      { code: 'ENGINE_UNSUITABLE' },
    );
  }
  return divided;
}

/** Identifies a rank's card on its host: `cuda:1` is the second one that CUDA_VISIBLE_DEVICES names. */
function cardOf({ device, visible }: { readonly device: string; readonly visible: string }): string {
  const index = cardPattern.exec(device)?.[1];
  return index === undefined || visible === '' ? device : `cuda ${visible.split(',')[Number(index)]?.trim() ?? index}`;
}
