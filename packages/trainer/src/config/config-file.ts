/** Reading configuration files in JSON or YAML. */
import { parseJson, readTextFile } from '@dm/files';
import { parse as parseYaml } from 'yaml';
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

/** Converts YAML to JSON text, which also rejects circular aliases. */
function yamlToJson(text: string, path: string): string {
  try {
    return JSON.stringify(parseYaml(text)) ?? 'null';
  } catch (error) {
    // The first line of a YAML error is the message, the others quote the source. A RangeError is a stack overflow.
    const [reason] = error instanceof RangeError ? ['it is nested too deeply'] : messageOf(error).split(/:?\n/, 1);
    throw new UserError(`${path} is not valid YAML: ${reason}.`, { code: 'CONFIG_INVALID', cause: error });
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
