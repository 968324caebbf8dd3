/** Repeated options. Commander lets the last one win, so that a forgotten one would be ignored silently. */
import type { Command, Option } from 'commander';
import { UserError } from '../errors.js';

/** Options that may be repeated although each takes one value. */
const repeatable = new WeakSet<Option>();

/** Allows an option to be repeated; its parser must combine the values. */
export function allowRepeated(option: Option): Option {
  repeatable.add(option);
  return option;
}

/**
 * Makes a command and its subcommands refuse an option that takes one value and is given twice.
 *
 * @throws {UserError} while the command is parsed, if an option is repeated
 */
export function refuseRepeated(command: Command): void {
  for (const option of command.options) {
    const takesOne = (option.required || option.optional) && !option.variadic && !repeatable.has(option);
    if (!takesOne) continue;
    let isGiven = false;
    command.on(`option:${option.name()}`, () => {
      if (isGiven) throw new UserError(`--${option.name()} is given twice. Give it once.`);
      isGiven = true;
    });
  }
  for (const inner of command.commands) refuseRepeated(inner);
}
