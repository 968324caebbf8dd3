import { extname } from 'node:path';

/** Kinds of files that are named one by one. */
const NAMED = 4;

/** What is to be said of files that are no images, and of class folders without any. */
export function skippedFileNotes(others: readonly string[], empty: readonly string[]): string[] {
  const notes: string[] = [];
  if (others.length > 0) {
    const counts = new Map<string, number>();
    for (const path of others) {
      const kind = extname(path).toLowerCase() || 'no ending';
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    const kinds = [...counts].toSorted((a, b) => b[1] - a[1]).map(([kind, count]) => `${count} ${kind}`);
    const named = kinds.slice(0, NAMED).join(', ') + (kinds.length > NAMED ? ', ...' : '');
    notes.push(`${others.length} ${others.length === 1 ? 'file' : 'files'} of other kinds left out (${named}).`);
  }
  if (empty.length > 0) {
    notes.push(`${empty.length} ${empty.length === 1 ? 'folder has' : 'folders have'} no images, such as ${empty[0]}.`);
  }
  return notes;
}
