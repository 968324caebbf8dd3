import { expect, it } from 'vitest';
import { noteOfHours } from './preset-hours.js';
import { presetHours, presets } from './presets.js';
import { resolveConfig } from './resolve.js';
import type { PartialConfig } from './schema.js';

const note = (value: PartialConfig) => noteOfHours(resolveConfig([{ source: 'test', value }]));

it.each(Object.keys(presetHours))('%s names its hours, scaled to the images of the run', (preset) => {
  const { totalSteps } = presets[preset]!;
  expect(note({ preset })).toContain(`about ${presetHours[preset]} hours`);
  expect(note({ preset, totalSteps: 2 * totalSteps })).toContain(`about ${2 * presetHours[preset]!} hours`);
  expect(note({ preset, totalSteps: 10 })).toBeUndefined();
});

it('has no hours for short presets, or for another model', () => {
  expect(note({ preset: 'mnist' })).toBeUndefined();
  expect(note({ preset: 'cifar10', model: { type: 'dit' } })).toBeUndefined();
});

it('every preset on photographs has its hours', () => {
  const photographs = Object.keys(presets).filter((name) => presets[name]!.data === 'cifar10');
  expect(Object.keys(presetHours)).toEqual(photographs);
});
