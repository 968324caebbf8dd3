/** A configuration file: JSON, or YAML. */
import { parseJson, readTextFile } from '@dm/files';
import { parse as parseYaml } from 'yaml';
import { messageOf, UserError } from '../errors.js';
import { isObject, type Json } from './json.js';
import { isOfFormerShape, migrateConfig } from './migration.js';
import type { Layer } from './resolve.js';

/**
 * Reads a layer from a JSON file, or from YAML if its name says so. Fields of the former shape are migrated, which the
 * layer's `note` says.
 *
 * @throws {UserError} if it is missing, damaged, not an object, or mixes names of both shapes
 */
export function configFile(path: string): Layer {
  const value = readConfigFile(path);
  if (!isOfFormerShape(value)) return { source: path, value };
  const note = `${path} has fields of an older version; they were read by their names of today.`;
  return { source: path, value: migrateConfig(value, path), note };
}

/** Bytes of a configuration file that are accepted: 16 MiB. */
const maxConfigBytes = 2 ** 24;

/** A YAML document as JSON, which ends aliases that lead in a circle. */
function yamlToJson(text: string, path: string): string {
  try {
    return JSON.stringify(parseYaml(text)) ?? 'null';
  } catch (error) {
    // After its first line, an error of YAML quotes the lines around. A RangeError is the stack's end.
    const [reason] = error instanceof RangeError ? ['it is nested too deeply'] : messageOf(error).split(/:?\n/, 1);
    throw new UserError(`${path} is not YAML: ${reason}.`, { code: 'CONFIG_INVALID', cause: error });
  }
}

/** Reads the fields of a configuration file as they are. */
export function readConfigFile(path: string): Json {
  const isYaml = /\.ya?ml$/i.test(path);
  let value: unknown;
  try {
    const text = readTextFile(path, { maxBytes: maxConfigBytes });
    value = parseJson(isYaml ? yamlToJson(text, path) : text, path);
  } catch (error) {
    throw new UserError(`The configuration cannot be read: ${messageOf(error)}`, {
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
      ? `${path} must hold fields, such as "batchSize: 32".`
      : `${path} must hold a JSON object, such as {"batchSize": 32}.`,
    { code: 'CONFIG_INVALID' },
  );
}
