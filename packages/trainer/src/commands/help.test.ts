import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { defaultPreset, presets } from '../config/presets.js';
import { examples, pathOf, withHelp } from './help.js';
import { createProgram } from './program.js';

const every = (command: Command): Command[] => [command, ...command.commands.flatMap(every)];

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => void (text += part) });
  command.outputHelp();
  return text;
}

/** The help with each option on one line. */
const unwrapped = (text: string) => text.replaceAll(/\n {20,}/g, ' ');

const commands = every(createProgram());

it('there are as many sets of examples as commands', () => {
  expect(Object.keys(examples).toSorted()).toEqual(commands.map(pathOf).toSorted());
});

describe.each(commands.map((command) => [pathOf(command), command] as const))('dm %s --help', (path, command) => {
  it.each(['npm run -s dm --', 'npx dm', 'dm', 'node /a/very/long/path/to/packages/trainer/dist/cli.js'])(
    'has less than 80 columns if the command is %s',
    (program) => {
      const same = every(withHelp(createProgram(), program)).find((other) => pathOf(other) === path)!;
      const lines = helpOf(same).split('\n');
      expect(lines.filter((line) => line.length >= 80)).toEqual([]);
    },
  );

  it('shows a default, or that there is none, for every option with a value', () => {
    const help = unwrapped(helpOf(command));
    for (const { long, required, optional } of command.options) {
      if (!required && !optional) continue;
      const line = help.split('\n').find((text) => text.startsWith(`  ${long} `));
      expect(line, long).toMatch(/default|required/i);
    }
  });

  it('has two examples with options that exist', () => {
    const help = helpOf(command);
    // Its examples are of its subcommands.
    const isGroup = ['', 'data', 'curriculum', 'ema', 'optim'].includes(path);
    const flags = new Set(commands.flatMap(({ options }) => options.map(({ long }) => long)));
    for (const example of examples[path]!) {
      expect(help).toContain(` ${example}\n`);
      const own = new Set(command.options.map(({ long }) => long));
      const words = example.split(' ').filter((word) => word.startsWith('--') && word !== '--help');
      for (const word of words) expect(isGroup ? flags : own, word).toContain(word);
    }
  });
});

it('dm train --help shows allowed values and ranges, and the defaults of the preset', () => {
  const help = unwrapped(helpOf(commands.find((command) => pathOf(command) === 'train')!));
  const line = (flag: string) => help.split('\n').find((text) => text.startsWith(`  --${flag} `))!;
  const { batchSize, totalSteps, optimizer, engine } = presets[defaultPreset]!;
  for (const name of Object.keys(presets)) expect(line('preset')).toContain(name);
  expect(line('preset')).toContain(`default: ${defaultPreset}`);
  for (const name of ['onnx', 'tfjs-cpu', `default: ${engine}`]) expect(line('engine')).toContain(name);
  for (const name of ['unet', 'dit', 'uvit']) expect(line('model')).toContain(name);
  for (const name of ['adamW', 'muon', `default: ${optimizer.type}`]) expect(line('optimizer')).toContain(name);
  for (const name of ['ddim', 'ddpm', 'unipc']) expect(line('sampler')).toContain(name);
  expect(line('batch-size')).toMatch(new RegExp(`1 to 1048576.*default: ${batchSize}`));
  expect(line('steps')).toMatch(new RegExp(`at least 1.*default: ${totalSteps}`));
  expect(line('lr')).toMatch(new RegExp(`more than 0.*default: ${optimizer.lr}`));
  expect(line('label-dropout')).toMatch(/0 to below 1/);
});
