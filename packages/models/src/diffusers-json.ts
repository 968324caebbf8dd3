/**
 * Formats a configuration as `save_config` of diffusers does: with `_class_name`, sorted fields, indentation by two
 * spaces, and a final newline. A `_class_name` in `config` takes precedence over `className`.
 */
export function diffusersJson(className: string, config: object): string {
  const named: Record<string, unknown> = { _class_name: className, ...config };
  const sorted = Object.fromEntries(
    Object.keys(named)
      .toSorted()
      .map((key) => [key, named[key]]),
  );
  return `${JSON.stringify(sorted, null, 2)}\n`;
}
