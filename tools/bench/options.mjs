/** Checks the options of the programs in this folder. */
import { cases } from './cases.mjs';

/**
 * The value of an option that is an integer.
 *
 * @param {string} flag
 * @param {string} text
 * @param {number} least
 * @throws {RangeError} if it is none, or is smaller
 */
export function count(flag, text, least) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) {
    throw new RangeError(`--${flag} must be an integer >= ${least}, got ${text}`);
  }
  return value;
}

/**
 * The members of `all` that an option names, separated by commas.
 *
 * @template {{ name: string }} T
 * @param {string} flag
 * @param {string} names
 * @param {readonly T[]} all
 * @throws {RangeError} if a name is unknown
 */
export function chosen(flag, names, all) {
  const wanted = names.split(',');
  const unknown = wanted.filter((name) => all.every((one) => one.name !== name));
  if (unknown.length > 0) {
    throw new RangeError(
      `--${flag}: unknown ${unknown.join(', ')}; must be one of ${all.map(({ name }) => name).join(', ')}`,
    );
  }
  return all.filter(({ name }) => wanted.includes(name));
}

/** The cases that `--cases` names; by default all that are not `extra`. @param {string | undefined} names */
export const chosenCases = (names) =>
  names === undefined ? cases.filter(({ extra }) => !extra) : chosen('cases', names, cases);
