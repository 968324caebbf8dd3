/** Options and argument parsers that all commands share. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { cardPattern, type DeviceName, deviceNames, engineNames } from '../config/names.js';
import { UserError } from '../errors.js';

export interface CommonFlags {
  readonly json?: boolean;
  readonly debug?: boolean;
}

/** Adds `--json` and `--debug`. */
export function withCommonOptions(command: Command): Command {
  return command
    .addOption(new Option('--json', 'print JSON Lines, for other programs'))
    .addOption(new Option('--debug', 'print the stack trace of an error'));
}

export interface EngineFlags {
  readonly engine?: string;
  readonly device?: DeviceName;
  readonly threads?: number;
}

/** Adds `--engine`, `--device`, and `--threads`; without `engine`, the default is the run's. */
export function withEngineOptions(command: Command, engine?: string): Command {
  const ofRun = engine === undefined ? " (default: the run's)" : '';
  return command
    .option('--engine <name>', `compute engine: ${engineNames.join(', ')}${ofRun}`, engine)
    .option('--device <name>', `device of the engine onnx: ${deviceChoices}${ofRun}`, deviceName)
    .option('--threads <n>', 'number of engine threads (default: automatic)', numeric);
}

const deviceChoices = `${deviceNames.join(', ')}, or a card of cuda by its index, such as cuda:1`;

/** @throws {InvalidArgumentError} if the device is unknown */
export function deviceName(text: string): DeviceName {
  const known: readonly string[] = deviceNames;
  if (known.includes(text) || cardPattern.test(text)) return text as DeviceName;
  throw new InvalidArgumentError(`Allowed choices are ${deviceChoices}.`);
}

/** The number that the text spells; otherwise the text itself, which the schema then rejects with the field's name. */
export function numeric(text: string): number | string {
  const value = Number(text);
  return text.trim() === '' || Number.isNaN(value) ? text : value;
}

/**
 * Parses comma-separated numbers.
 *
 * @throws {UserError} if a part is not a number; the message quotes it
 */
export function numbers(text: string): number[] {
  return text.split(',').map((part) => {
    const value = numeric(part);
    if (typeof value === 'number') return value;
    throw new UserError(`"${part}" of "${text}" is not a number.`);
  });
}
