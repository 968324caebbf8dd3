/** Comparison of configurations. */

/** Flattens nested plain data: values as text, by path such as `optimizer.lr`. */
export function flattenConfig(value: unknown, path = ''): Record<string, string> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0) {
    return Object.assign(
      {},
      ...Object.entries(value).map(([key, inner]) => flattenConfig(inner, path === '' ? key : `${path}.${key}`)),
    ) as Record<string, string>;
  }
  if (path === '') return {};
  return { [path]: typeof value === 'string' ? value : JSON.stringify(value) };
}

export interface ConfigRow {
  readonly field: string;
  /** One value per run; undefined if the run does not have the field. */
  readonly values: readonly (string | undefined)[];
  readonly differs: boolean;
}

/** One row per field; fields that differ between the runs come first. */
export function compareConfigs(configs: readonly Readonly<Record<string, string>>[]): ConfigRow[] {
  const fields = [...new Set(configs.flatMap((config) => Object.keys(config)))];
  const rows = fields.map((field) => {
    const values = configs.map((config) => config[field]);
    return { field, values, differs: new Set(values).size > 1 };
  });
  return [...rows.filter((r) => r.differs), ...rows.filter((r) => !r.differs)];
}
