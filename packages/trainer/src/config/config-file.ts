/** Reading configuration files in JSON or YAML. */
import { maxJsonDepth, parseJson, readTextFile } from '@dm/files';
import { CST, Lexer, parse as parseYaml, Parser } from 'yaml';
import { messageOf, UserError } from '../errors.js';
import { isObject, type Json } from './json.js';
import { isOfFormerShape, migrateConfig } from './migration.js';
import type { Layer } from './resolve.js';

/**
 * Reads a layer from a JSON file, or from YAML if the file name ends so. Fields of the old format are migrated, which is
 * reported in the layer's `note`.
 *
 * @throws {UserError} if the file is missing, damaged, not an object, or mixes old and current field names
 */
export function configFile(path: string): Layer {
  const value = readConfigFile(path);
  if (!isOfFormerShape(value)) return { source: path, value };
  const note = `${path} uses field names of an older version; they were converted to the current names.`;
  return { source: path, value: migrateConfig(value, path), note };
}

/** Largest configuration file that is read, in bytes: 16 MiB. */
const maxConfigBytes = 2 ** 24;

/** Limits of a YAML file. The time that `yaml` takes is quadratic in the number of keys, and in the number of aliases. */
const maxYamlTokens = 50_000;
const maxYamlAliases = 100;

/**
 * Why a YAML file should not be given to `yaml`, if so. Its composer is recursive, and Node can abort instead of throwing
 * a RangeError if the stack overflows while a regular expression is compiled; its lexer and its parser are not recursive.
 */
function excessOf(text: string): string | undefined {
  const parser = new Parser();
  let [tokens, aliases, previous] = [0, 0, ''];
  for (const lexeme of new Lexer().lex(text)) {
    for (const _finished of parser.next(lexeme));
    // A scalar's text, which may begin with any character, follows the scalar token.
    if (lexeme.startsWith('*') && previous !== CST.SCALAR) aliases++;
    previous = lexeme;
    if (++tokens > maxYamlTokens) {
      return `it has more than ${maxYamlTokens} names, values, and punctuation marks; use a JSON file`;
    }
    if (aliases > maxYamlAliases) return `it has more than ${maxYamlAliases} aliases`;
    // Most levels take one entry of the stack.
    if (parser.stack.length > 2 * maxJsonDepth) return `it is nested more than ${maxJsonDepth} levels deep`;
  }
  return undefined;
}

/** Converts YAML to JSON text, which also rejects circular aliases. */
function yamlToJson(text: string, path: string): string {
  const invalid = (reason: string, cause?: unknown) =>
    new UserError(`${path} is not valid YAML: ${reason}.`, { code: 'CONFIG_INVALID', cause });
  const excess = excessOf(text);
  if (excess !== undefined) throw invalid(excess);
  try {
    return JSON.stringify(parseYaml(text)) ?? 'null';
  } catch (error) {
    // The first line of a YAML error is the message, the others quote the source.
    const [reason] = messageOf(error).split(/:?\n/, 1);
    throw invalid(reason!, error);
  }
}

/** Reads a configuration file without migrating its fields. */
export function readConfigFile(path: string): Json {
  const isYaml = /\.ya?ml$/i.test(path);
  let value: unknown;
  try {
    const text = readTextFile(path, { maxBytes: maxConfigBytes });
    value = parseJson(isYaml ? yamlToJson(text, path) : text, path);
  } catch (error) {
    throw new UserError(`Cannot read the configuration: ${messageOf(error)}`, {
      code: 'CONFIG_INVALID',
      cause: error,
    });
  }
  if (isObject(value)) {
    const { $schema: _forEditors, ...fields } = value;
    return fields;
  }
  throw new UserError(
    isYaml
      ? `${path} must contain fields, such as "batchSize: 32".`
      : `${path} must contain a JSON object, such as {"batchSize": 32}.`,
    { code: 'CONFIG_INVALID' },
  );
}
