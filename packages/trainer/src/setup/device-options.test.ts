// Graph capture, TF32, and the cards of ranks: what the configuration gives to the engine, and what is refused.
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
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

it('ranks of a host use its cards in their order, and those of another host begin at cuda:0', async () => {
  const hosts = [hostname(), 'other', hostname(), hostname()];
  const config = configOf({ device: 'cuda' });
  const deviceOf = async (rank: number) => {
    const exchange: Group['exchange'] = async (work) => {
      const own = await work();
      return hosts.map((host, other) => ({ ...own, host, rank: other }));
    };
    return (await rankEngineOptions({ ...alone, rank, size: hosts.length, exchange }, config)).device;
  };
  expect([await deviceOf(0), await deviceOf(2), await deviceOf(3)]).toEqual(['cuda:0', 'cuda:1', 'cuda:2']);
});
