/**
 * The configuration of a class as diffusers' `save_config` writes it: with `_class_name`, sorted fields, two spaces, a
 * newline at the end. A `_class_name` in `config` stands.
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
