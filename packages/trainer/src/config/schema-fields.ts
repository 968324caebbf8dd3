/** Introspection of the configuration schema: its fields, and the types of its components. */
import * as z from 'zod';

/**
 * The object schemas within `schema`: one per type of a component, one for a plain object, otherwise none.
 */
function objectsOf(schema: unknown): z.ZodObject[] {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodObject) return [inner];
  return inner instanceof z.ZodDiscriminatedUnion ? inner.options.flatMap(objectsOf) : [];
}

/** The types of a component; empty if `schema` does not describe one. */
export function typesOf(schema: unknown): readonly string[] {
  return objectsOf(schema).flatMap((object) => {
    const type: unknown = object.shape['type'];
    if (type instanceof z.ZodEnum) return type.options.map(String);
    return type instanceof z.ZodLiteral ? [...type.values].map(String) : [];
  });
}

/** The schema for objects of this type; all of them if the type is unknown. */
export function objectsOfType(schema: unknown, type: unknown): z.ZodObject[] {
  const all = objectsOf(schema);
  const ofType = typeof type === 'string' ? all.filter((object) => typesOf(object).includes(type)) : [];
  return ofType.length > 0 ? ofType : all;
}

/** Names of the fields that all types of a component share. */
export function commonFields(schema: unknown): string[] {
  const [first, ...others] = objectsOf(schema).map(({ shape }) => Object.keys(shape));
  return (first ?? []).filter((key) => others.every((keys) => keys.includes(key)));
}

/** The schema of a field (of any type of a component) or of a record's values; undefined if there is none. */
export function fieldOf(schema: unknown, key: string): z.core.$ZodType | undefined {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodRecord) return inner.valueType;
  return objectsOf(inner).find(({ shape }) => Object.hasOwn(shape, key))?.shape[key];
}

/** The schema within nullable, optional and default ones. */
export function unwrapped(schema: unknown): unknown {
  let inner = schema;
  while (
    inner instanceof z.ZodNullable ||
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodExactOptional ||
    inner instanceof z.ZodDefault
  ) {
    inner = inner.unwrap();
  }
  return inner;
}
