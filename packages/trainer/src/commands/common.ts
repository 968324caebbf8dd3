/** What all commands share: options, output and how an error ends the program. */
import { Option, type Command } from 'commander';
import { UserError } from '../errors.js';

export interface CommonFlags {
  readonly json?: boolean;
  readonly debug?: boolean;
}

/** Adds `--json` and `--debug`. */
export function withCommonOptions(command: Command): Command {
  return command
    .addOption(new Option('--json', 'print JSON, one object a line, for programs'))
    .addOption(new Option('--debug', 'show the stack of an error'));
}

/** A number where the text is one; otherwise the text, which the schema then refuses by name. */
export function numeric(text: string): number | string {
  const value = Number(text);
  return text.trim() === '' || Number.isNaN(value) ? text : value;
}

/** Numbers with commas between. Throws a UserError that quotes what is none. */
export function numbers(text: string): number[] {
  return text.split(',').map((part) => {
    const value = numeric(part);
    if (typeof value === 'number') return value;
    throw new UserError(`"${part}" of "${text}" is not a number.`);
  });
}
