// Graph capture, TF32, and the cards of ranks: what the configuration gives to the engine, and what is refused.
import { availableParallelism, hostname } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
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

describe('ranks with cuda', () => {
  const hosts = [hostname(), 'other', hostname(), hostname()];
  const config = configOf({ device: 'cuda' });
  const optionsOf = (rank: number) => {
    const exchange: Group['exchange'] = async (work) => {
      const own = await work();
      return hosts.map((host, other) => ({ ...own, host, rank: other }));
    };
    return rankEngineOptions({ ...alone, rank, size: hosts.length, exchange }, config);
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

  it('divide the processors that they share', async () => {
    const threads = Math.max(1, Math.floor(availableParallelism() / 3));
    expect(await optionsOf(2)).toMatchObject({ threads });
  });
});
