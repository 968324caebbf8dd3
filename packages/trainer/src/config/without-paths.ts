/** What leaves the machine in reports and exports: no paths, which tell of users, hosts and projects. */
import { isObject, type Json } from './json.js';

/** Stands where a path was. */
const pathLeftOut = '(path left out)';

/** Data that are known by name, as `openDataset` takes them and as it calls them: `mnist`, `emoji/12`. */
const namedData = /^(?:mnist|fashion-mnist|cifar10|cifar100|emoji)(?:\/[a-z0-9]+)*$/;

/** An absolute path, or one below a home, anywhere in a text; what comes before it is a group. */
const absolutePath = /(^|[\s"'`(=:,])(?:~?\/[^\s"'`/]+\/[^\s"'`]*|[A-Za-z]:[\\/][^\s"'`]*|\\\\[^\s"'`]+)/g;

/** The name of a data set if it is no path. */
export function withoutDataPath(name: string): string {
  return namedData.test(name) ? name : pathLeftOut;
}

/** `text` with every absolute path left out. */
function withoutAbsolutePaths(text: string): string {
  return text.replaceAll(absolutePath, `$1${pathLeftOut}`);
}

/** A configuration, with what its run recorded, in which no field has a path. */
export function withoutPaths(config: Json): Json {
  return everyString(config, '', (field, text) => {
    if (dataFields.includes(field)) return withoutDataPath(text);
    return pathFields.includes(field) ? pathLeftOut : withoutAbsolutePaths(text);
  }) as Json;
}

const dataFields: readonly string[] = ['data', 'recorded.data.name'];
const pathFields: readonly string[] = ['out', 'initFrom', 'evaluation.extractor.weights'];

function everyString(value: unknown, path: string, change: (path: string, text: string) => string): unknown {
  if (typeof value === 'string') return change(path, value);
  if (Array.isArray(value)) return value.map((inner) => everyString(inner, path, change));
  if (!isObject(value)) return value;
  const inside = (key: string) => (path === '' ? key : `${path}.${key}`);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [withoutAbsolutePaths(key), everyString(inner, inside(key), change)]),
  );
}
