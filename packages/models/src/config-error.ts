/** Checks of configurations read from JSON. Messages name the field, its value, and the valid values. */
import { DmError, type DmErrorOptions } from '@dm/ops';

export type Fields = Readonly<Record<string, unknown>>;

/**
 * - `MODEL_CONFIG_INVALID`: a field's value, or a combination of values, is invalid (the default).
 * - `MODEL_CONFIG_UNKNOWN_FIELD`: the model class does not have the field.
 * - `MODEL_CONFIG_OTHER_CLASS`: `_class_name` names another model class.
 */
export type ConfigErrorCode = 'MODEL_CONFIG_INVALID' | 'MODEL_CONFIG_UNKNOWN_FIELD' | 'MODEL_CONFIG_OTHER_CLASS';

/** An invalid model configuration. The message names the field, its value, and the valid values. */
export class ConfigError extends DmError<ConfigErrorCode> {
  override readonly name = 'ConfigError';

  constructor(message: string, options: DmErrorOptions<ConfigErrorCode> = {}) {
    super(message, { code: 'MODEL_CONFIG_INVALID', ...options });
  }
}

/** Error for the value of one field; `right` completes "<field> must be ...". */
export const refuse = (kind: string, field: string, value: unknown, right: string) =>
  new ConfigError(`${kind}: ${field} must be ${right}, got ${JSON.stringify(value)}`);

/**
 * @throws {ConfigError} unless `config` is a plain object for the class `kind`, without unknown fields
 */
export function checkFields(kind: string, config: unknown, known: readonly string[]): asserts config is Fields {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new ConfigError(`${kind}: the configuration must be a JSON object`);
  }
  const className = (config as Fields)['_class_name'];
  if (className !== undefined && className !== kind) {
    throw new ConfigError(`${kind}: the configuration is for another model class, ${JSON.stringify(className)}`, {
      code: 'MODEL_CONFIG_OTHER_CLASS',
    });
  }
  const unknown = Object.keys(config).filter((key) => !key.startsWith('_') && !known.includes(key));
  if (unknown.length > 0) {
    throw new ConfigError(`${kind}: unknown field ${unknown.join(', ')}; the fields are ${known.join(', ')}`, {
      code: 'MODEL_CONFIG_UNKNOWN_FIELD',
    });
  }
}

/** Upper limit for widths, channels, table rows, and image sides. Far above any model, yet it can be allocated. */
const largestSize = 2 ** 20;
/** Upper limit for the number of blocks, since building a model takes time for each block. */
export const mostBlocks = 1024;
/** Upper limit for `mlp_ratio`. */
export const largestMlpRatio = 1024;

/** Checks for the fields of one configuration. Sizes have upper limits, so that no configuration can exhaust memory. */
export function fieldChecks(kind: string, config: Fields) {
  const fail = (field: string, right: string) => refuse(kind, field, config[field], right);
  const isInteger = (value: unknown, least: number, most: number): value is number =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
  return {
    fail,
    integer(field: string, least: number, most = largestSize): void {
      if (!isInteger(config[field], least, most)) throw fail(field, `an integer from ${least} to ${most}`);
    },
    integerOrNull(field: string, least: number, most = largestSize): void {
      const value = config[field];
      if (value !== null && !isInteger(value, least, most))
        throw fail(field, `an integer from ${least} to ${most}, or null`);
    },
    number(field: string, { least, below }: { least?: number; below?: number }): void {
      const value = config[field];
      const right = `a number ${[least === undefined ? '' : `>= ${least}`, below === undefined ? '' : `< ${below}`].filter(Boolean).join(' and ')}`;
      if (
        typeof value !== 'number' ||
        !Number.isFinite(value) ||
        (least !== undefined && value < least) ||
        (below !== undefined && value >= below)
      ) {
        throw fail(field, right);
      }
    },
    positive(field: string, most = Number.MAX_VALUE): void {
      const value = config[field];
      if (typeof value !== 'number' || !(value > 0 && value <= most)) {
        throw fail(field, most === Number.MAX_VALUE ? 'a number > 0' : `a number > 0 and <= ${most}`);
      }
    },
    boolean(field: string): void {
      if (typeof config[field] !== 'boolean') throw fail(field, 'true or false');
    },
    oneOf(field: string, values: readonly unknown[]): void {
      if (!values.includes(config[field]))
        throw fail(field, `one of ${values.map((v) => JSON.stringify(v)).join(', ')}`);
    },
    integers(field: string, least: number, length: number, most = largestSize): void {
      const value = config[field];
      const fits = Array.isArray(value) && value.length > 0 && value.length <= length;
      if (!fits || !value.every((v) => isInteger(v, least, most))) {
        throw fail(field, `a list of 1 to ${length} integers from ${least} to ${most}`);
      }
    },
    listOf(field: string, values: readonly string[], length: number): void {
      const value = config[field];
      if (!Array.isArray(value) || value.length !== length)
        throw fail(field, `a list of ${length} block types, one per level`);
      const stranger = (value as unknown[]).find((v) => !values.includes(v as string));
      if (stranger !== undefined)
        throw fail(field, `a list of ${values.join(', ')}, without ${JSON.stringify(stranger)}`);
    },
  };
}
