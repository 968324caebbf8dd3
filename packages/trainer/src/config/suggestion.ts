import { closest, distance } from 'fastest-levenshtein';

/**
 * The known name that was probably meant, or undefined where none is close: at most 40 % of the longer name's letters
 * differ (upper and lower case, dashes and underscores count as equal).
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const plain = (s: string) => s.toLowerCase().replaceAll(/[-_.]/g, '');
  const best = closest(
    plain(name),
    known.map((k) => plain(k)),
  );
  const match = known.find((k) => plain(k) === best)!;
  const letters = Math.max(plain(name).length, best.length);
  return distance(plain(name), best) <= 0.4 * letters ? match : undefined;
}

/** ` Did you mean "x"?` where a name is near, then all there are: the end of an error about an unknown name. */
export function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  const all = `There are: ${known.join(', ')}.`;
  return near === undefined ? all : `Did you mean "${near}"? ${all}`;
}
