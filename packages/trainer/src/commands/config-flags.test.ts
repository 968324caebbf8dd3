import { Command } from 'commander';
import { expect, it } from 'vitest';
import { resolveConfig } from '../config/resolve.js';
import { allFieldFlags, layersOf, withConfigOptions, type ConfigFlags } from './config-flags.js';

/** The configuration of these arguments. */
function configOf(args: readonly string[]) {
  const command = withConfigOptions(new Command(), allFieldFlags);
  command.parse(args, { from: 'user' });
  return resolveConfig(layersOf(command.opts<ConfigFlags>(), allFieldFlags));
}

const nullable = [
  ['image-size', 'imageSize', '16'],
  ['hold-out', 'holdOut', '0.1'],
  ['label-dropout', 'labelDropout', '0.1'],
  ['time-budget', 'budgets.seconds', '9'],
  ['step-budget', 'budgets.steps', '9'],
  ['image-budget', 'budgets.images', '9'],
  ['threads', 'threads', '2'],
  ['checkpoint-minutes', 'checkpoints.minutes', '9'],
] as const;

it.each(nullable)('--%s null resets %s', (flag, field, value) => {
  const at = (args: readonly string[]) =>
    field.split('.').reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], configOf(args));
  expect(at([`--${flag}`, value])).toBe(Number(value));
  expect(at([`--${flag}`, 'null'])).toBeNull();
});

it('null is no number of a field that needs one', () => {
  expect(() => configOf(['--batch-size', 'null'])).toThrowWith({
    code: 'CONFIG_INVALID',
    contains: ['batchSize', 'number', 'got "null" (--batch-size)'],
  });
});
