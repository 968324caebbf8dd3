// Graph capture, TF32, and the cards of ranks: what the configuration gives to the engine, and what is refused.
import { availableParallelism, hostname } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { deviceName } from '../commands/common.js';
import type { DeviceName } from '../config/names.js';
import { resolveConfig } from '../config/resolve.js';
import type { PartialConfig } from '../config/schema.js';
import { UserError } from '../errors.js';
import { rankEngineOptions } from '../session/rank-engine.js';
import { engineOptions, openEngine } from './engine.js';
import { alone, type Group } from './group.js';

const configOf = (value: PartialConfig) => resolveConfig([{ source: 'test', value: { data: 'digits', ...value } }]);

it('are off by default, and then not given to the engine', () => {
  expect(engineOptions(configOf({}))).toEqual({ device: 'cpu' });
  expect(engineOptions(configOf({ device: 'cuda', graphCapture: true, tf32: true }))).toEqual({
    device: 'cuda',
    graphCapture: true,
    tf32: true,
  });
});

describe('are refused, with the remedy', () => {
  it.each<[string, PartialConfig, string[]]>([
    ['onnx', { graphCapture: true }, ['graphCapture=false', 'cpu']],
    ['onnx', { device: 'webgpu', tf32: true }, ['tf32=false', 'webgpu']],
    ['tfjs-cpu', { graphCapture: true }, ['graphCapture', 'tfjs-cpu']],
    ['tfjs-cpu', { tf32: true }, ['tf32', 'tfjs-cpu']],
  ])('%s with %j', async (engine, part, contains) => {
    await expect(openEngine(engine, engineOptions(configOf(part)))).rejects.toThrowWith({
      type: UserError,
      code: 'ENGINE_UNSUITABLE',
      contains,
    });
  });
});

describe('a card', () => {
  it.each(['cuda:0', 'cuda:1', 'cuda:9999'] as const)('%s is the device of the engine', (device) => {
    expect(engineOptions(configOf({ device }))).toEqual({ device });
  });

  it.each(['webgpu:1', 'cpu:1', 'cuda:-1', 'cuda:x', 'cuda:', 'cuda:01', 'cuda:10000', 'cuda:1.5', 'gpu'])(
    '%s is refused',
    (device) => {
      expect(() => configOf({ device: device as 'cuda' })).toThrowWith({
        type: UserError,
        code: 'CONFIG_INVALID',
        contains: ['device', 'cpu, webgpu, cuda,', 'cuda:1', `"${device}"`],
      });
      expect(() => deviceName(device)).toThrow('cpu, webgpu, cuda, or');
    },
  );
});

describe('ranks with cuda', () => {
  const hosts = [hostname(), 'other', hostname(), hostname()];
  const optionsOf = (rank: number, own: DeviceName[] = hosts.map(() => 'cuda'), visible?: string[]) => {
    const exchange: Group['exchange'] = async (work) => {
      const mine = await work();
      return hosts.map((host, other) => ({
        ...mine,
        host,
        rank: other,
        device: own[other]!,
        ...(visible !== undefined && { visible: visible[other]! }),
      }));
    };
    const group = { ...alone, rank, size: hosts.length, exchange };
    return rankEngineOptions(group, configOf({ device: own[rank]! }));
  };
  const devices = async () => [await optionsOf(0), await optionsOf(2), await optionsOf(3)].map(({ device }) => device);
  afterEach(() => vi.unstubAllEnvs());

  it('use the cards of a host in their order, and those of another host begin at cuda:0', async () => {
    vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
    expect(await devices()).toEqual(['cuda:0', 'cuda:1', 'cuda:2']);
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '4,5,7');
    expect(await devices()).toEqual(['cuda:0', 'cuda:1', 'cuda:2']);
  });

  it('use the only card that the launcher made visible to each', async () => {
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '3');
    expect(await devices()).toEqual(['cuda', 'cuda', 'cuda']);
  });

  const refused = (...contains: string[]) => ({ type: UserError, code: 'ENGINE_UNSUITABLE', contains });

  it('use an explicit card, which another host may use too', async () => {
    vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
    const cards: DeviceName[] = ['cuda:1', 'cuda:1', 'cuda:0', 'cuda:3'];
    for (const rank of [0, 2, 3]) expect(await optionsOf(rank, cards)).toMatchObject({ device: cards[rank] });
  });

  it('are refused if they would share an explicit card, with the remedy', async () => {
    vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
    const cards: DeviceName[] = ['cuda:1', 'cuda:2', 'cuda:1', 'cuda:2'];
    await expect(optionsOf(0, cards)).rejects.toThrowWith(
      refused('2 ranks', 'share the device cuda:1', 'use the device cuda,', 'DM_SHARE_DEVICE=1'),
    );
    expect(await optionsOf(3, cards)).toMatchObject({ device: 'cuda:2' });
    vi.stubEnv('DM_SHARE_DEVICE', '1');
    expect(await optionsOf(0, cards)).toMatchObject({ device: 'cuda:1' });
  });

  it('number explicit cards among those that the launcher made visible', async () => {
    const all: DeviceName[] = hosts.map(() => 'cuda:0');
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '3');
    expect(await optionsOf(0, all, ['3', '3', '4', '5'])).toMatchObject({ device: 'cuda:0' });
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '4,3');
    const cards: DeviceName[] = ['cuda:1', 'cuda:1', 'cuda:0', 'cuda:0'];
    await expect(optionsOf(0, cards, ['4,3', '', '3,4', '5'])).rejects.toThrowWith(refused('2 ranks', 'cuda:1'));
  });

  it('are refused if some use cuda and others an explicit card', async () => {
    vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
    const cards: DeviceName[] = ['cuda', 'cpu', 'cuda:1', 'cpu'];
    for (const rank of [0, 2]) {
      await expect(optionsOf(rank, cards)).rejects.toThrowWith(refused('both', 'cuda:1'));
    }
    expect(await optionsOf(3, cards)).toMatchObject({ device: 'cpu' });
  });

  it('divide the processors that they share', async () => {
    const threads = Math.max(1, Math.floor(availableParallelism() / 3));
    expect(await optionsOf(2)).toMatchObject({ threads });
  });
});
