import type { CompiledProgram, Engine } from '@dm/ops';
import { expect, it } from 'vitest';
import { dit } from '../dit/dit.js';
import { bufferLayout, parameterLayout } from '../layout.js';
import { createModelSampler } from './model-sampler.js';

it.each([
  { width: 384, frozenState: true, isFrozen: false },
  { width: 192, frozenState: true, isFrozen: true },
  { width: 192, frozenState: undefined, isFrozen: false },
])('weights are compiled in: $isFrozen with width $width and frozenState $frozenState', (given) => {
  const model = dit({
    input_size: 8,
    patch_size: 4,
    in_channels: 1,
    num_heads: 4,
    hidden_size: given.width,
    depth: 6,
    num_classes: 0,
  });
  const layout = parameterLayout(model);
  expect(layout.size > 2 ** 23).toBe(given.width === 384);
  const seen: unknown[] = [];
  const engine: Engine = {
    name: 'none',
    info: {},
    compile: (_, options) => (seen.push(options?.frozenState), {} as CompiledProgram),
    dispose: async () => {},
  };
  createModelSampler({
    engine,
    model,
    layout,
    bufferLayout: bufferLayout(model),
    prediction: { type: 'v' },
    schedule: { type: 'flow' },
    sampler: { type: 'euler', steps: 2, guidance: 1, guidanceInterval: null, path: { type: 'flow' }, clipping: null },
    ...(given.frozenState && { frozenState: true }),
  });
  expect(seen).toEqual([given.isFrozen]);
});
