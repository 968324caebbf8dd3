import { closest, distance } from 'fastest-levenshtein';

/**
 * The known name closest to `name`, or undefined if none is close enough: at most 40% of the longer name's characters
 * may differ (ignoring case, dashes and underscores).
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

/** The end of an error about an unknown name: `Did you mean "x"?` if a known name is close, then all known names. */
export function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  const all = `Choose from: ${known.join(', ')}.`;
  return near === undefined ? all : `Did you mean "${near}"? ${all}`;
}
