/** A configuration file: JSON, or YAML. */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { messageOf, UserError } from '../errors.js';
import { isObject } from './json.js';
import type { Layer } from './resolve.js';

/** Reads a layer from a JSON file, or from YAML where its name says so. Throws a UserError where it is missing, damaged or no object. */
export function configFile(path: string): Layer {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`The configuration file cannot be read: ${messageOf(error)}`);
  }
  const isYaml = /\.ya?ml$/i.test(path);
  let value: unknown;
  try {
    value = isYaml ? parseYaml(text) : JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path} is not ${isYaml ? 'YAML' : 'JSON'}: ${messageOf(error)}`);
  }
  if (isObject(value)) {
    const { $schema: _forEditors, ...fields } = value;
    return { source: path, value: fields };
  }
  throw new UserError(
    isYaml
      ? `${path} must hold fields, such as "batchSize: 32".`
      : `${path} must hold a JSON object, such as {"batchSize": 32}.`,
  );
}
