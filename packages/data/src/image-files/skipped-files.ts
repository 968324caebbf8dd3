import { extname } from 'node:path';

/** Maximum number of file types to list. */
const NAMED = 4;

/** Counts files skipped because they are not images. */
export interface SkippedFiles {
  readonly add: (path: string) => void;
  /** Notes about them, and about `empty`, class folders without images. */
  readonly notes: (empty: readonly string[]) => string[];
}

export function createSkippedFiles(): SkippedFiles {
  const counts = new Map<string, number>();
  let files = 0;
  return {
    add(path) {
      const kind = extname(path).toLowerCase() || 'no ending';
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      files++;
    },
    notes(empty) {
      const kinds = [...counts].toSorted((a, b) => b[1] - a[1]).map(([kind, count]) => `${count} ${kind}`);
      const named = kinds.slice(0, NAMED).join(', ') + (kinds.length > NAMED ? ', ...' : '');
      const folders = empty.length === 1 ? 'folder has' : 'folders have';
      return [
        ...(files === 0 ? [] : [`${files} ${files === 1 ? 'file' : 'files'} of other types skipped (${named}).`]),
        ...(empty.length === 0 ? [] : [`${empty.length} ${folders} no images, such as ${empty[0]}.`]),
      ];
    },
  };
}
