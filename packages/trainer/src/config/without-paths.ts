/** Removes paths, which reveal users, hosts and projects, from what reports and exports contain. */
import { isObject, type Json } from './json.js';

/** Replaces a path. */
const pathLeftOut = '(path left out)';

/** Names of built-in data sets, as passed to and reported by `openDataset`: `mnist`, `emoji/12`. */
const namedData = /^(?:mnist|fashion-mnist|cifar10|cifar100|emoji)(?:\/[a-z0-9]+)*$/;

/** An absolute path, or one in a home folder, anywhere in a text. Group 1 is the character before it. */
const absolutePath = /(^|[\s"'`(=:,])(?:~?\/[^\s"'`/]+\/[^\s"'`]*|[A-Za-z]:[\\/][^\s"'`]*|\\\\[^\s"'`]+)/g;

/** The name of a data set, unless it contains a path. */
export function withoutDataPath(name: string): string {
  return namedData.test(name) ? name : pathLeftOut;
}

/** `text` with every absolute path replaced. */
function withoutAbsolutePaths(text: string): string {
  return text.replaceAll(absolutePath, `$1${pathLeftOut}`);
}

/** A configuration, including what its run recorded, with all paths replaced. */
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
