/** Options and argument parsers that all commands share. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { cardPattern, type DeviceName, deviceNames, engineNames } from '../config/names.js';

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
    .option('--threads <n>', 'number of engine threads (default: automatic)', integer);
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
 * Parses a number.
 *
 * @throws {InvalidArgumentError} if the text is not a finite number
 */
export function number(text: string): number {
  const value = numeric(text);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('Must be a number.');
}

/**
 * Parses an integer.
 *
 * @throws {InvalidArgumentError} if the text is not an integer that a double represents exactly
 */
export function integer(text: string): number {
  const value = numeric(text);
  if (Number.isSafeInteger(value)) return value as number;
  throw new InvalidArgumentError('Must be an integer.');
}

/**
 * Parses comma-separated numbers.
 *
 * @throws {InvalidArgumentError} if a part is not a finite number
 */
export const numbers = (text: string): number[] => text.split(',').map(number);
