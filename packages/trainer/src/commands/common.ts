/** What all commands share: options, output and how an error ends the program. */
import { Option, type Command } from 'commander';
import { codeOf, isFault, messageOf, UserError } from '../errors.js';

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

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One JSON object a line on standard output. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** Prints an error as its message alone, with the stack on request, and with `--json` as an object on standard output. */
export function printError(error: unknown, flags: CommonFlags): void {
  const message = isFault(error)
    ? `${messageOf(error)} (a fault in dm; --debug shows where)`
    : messageOf(error).replace(/^error: /, '');
  process.stderr.write(`error: ${message}\n`);
  if (flags.debug === true && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  if (flags.json === true)
    printJson({ event: 'error', code: codeOf(error) ?? (isFault(error) ? 'FAULT' : 'ERROR'), message });
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
