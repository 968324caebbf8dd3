import { expect, it } from 'vitest';
import { presets } from '../config/presets.js';
import type { Config } from '../config/schema.js';
import { guidanceNote } from './guidance-note.js';

const ddim: Config['sampler'] = {
  type: 'ddim',
  steps: 25,
  guidance: 2,
  guidanceInterval: null,
  path: { type: 'discrete' },
  clipping: { type: 'range', max: 1 },
};

it('names the remedy for DDIM with guidance and clipping only', () => {
  expect(guidanceNote(ddim)).toContain('--set sampler.useClippedOutput=true');
  expect(guidanceNote({ ...ddim, guidance: 1 })).toBeUndefined();
  expect(guidanceNote({ ...ddim, clipping: null })).toBeUndefined();
  expect(guidanceNote({ ...ddim, useClippedOutput: true })).toBeUndefined();
  const { type: _type, ...common } = ddim;
  expect(guidanceNote({ ...common, type: 'dpmpp-2m' })).toBeUndefined();
});

it('the preset of npm start is guided, and has a sampler that fits', () => {
  const { sampler } = presets['mnist-fast']!;
  expect(sampler.guidance).toBeGreaterThan(1);
  expect(guidanceNote(sampler)).toBeUndefined();
});
