/** Looking into the schema of a configuration: its fields, and the types of its parts. */
import { z } from 'zod';

/**
 * The schemas of the object that `schema` describes: one for each type of a part, one for a plain object, none for
 * anything else.
 */
function objectsOf(schema: unknown): z.ZodObject[] {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodObject) return [inner];
  return inner instanceof z.ZodDiscriminatedUnion ? inner.options.flatMap(objectsOf) : [];
}

/** The types of a part; none where `schema` describes no part. */
export function typesOf(schema: unknown): readonly string[] {
  return objectsOf(schema).flatMap((object) => {
    const type: unknown = object.shape['type'];
    if (type instanceof z.ZodEnum) return type.options.map(String);
    return type instanceof z.ZodLiteral ? [...type.values].map(String) : [];
  });
}

/** The one for objects of this type, if it is known; else all. */
export function objectsOfType(schema: unknown, type: unknown): z.ZodObject[] {
  const all = objectsOf(schema);
  const ofType = typeof type === 'string' ? all.filter((object) => typesOf(object).includes(type)) : [];
  return ofType.length > 0 ? ofType : all;
}

/** Names of the fields that all types of a part have. */
export function commonFields(schema: unknown): string[] {
  const [first, ...others] = objectsOf(schema).map(({ shape }) => Object.keys(shape));
  return (first ?? []).filter((key) => others.every((keys) => keys.includes(key)));
}

/** The schema of a field, of any type of a part, or of a value in a record; undefined where there is none. */
export function fieldOf(schema: unknown, key: string): z.core.$ZodType | undefined {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodRecord) return inner.valueType;
  return objectsOf(inner).find(({ shape }) => Object.hasOwn(shape, key))?.shape[key];
}

function unwrapped(schema: unknown): unknown {
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
