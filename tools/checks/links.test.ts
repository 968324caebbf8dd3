// Every relative link in Markdown files points to an existing file, and to a heading in it if it names one.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';
import { generatedFolders } from './language.js';

const skipped = new Set(['node_modules', 'dist', '.nx', '.git', 'reports', 'runs', 'fixtures']);

function markdownFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return skipped.has(entry.name) || generatedFolders.has(path) ? [] : markdownFiles(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

const withoutCode = (text: string): string => text.replaceAll(/^```.*?^```/gms, '');

/** Ids that GitHub gives to the headings: lower case, dashes for spaces, no punctuation; repeated ones are numbered. */
function anchorsOf(file: string): Set<string> {
  const counts = new Map<string, number>();
  const headings = withoutCode(readFileSync(file, 'utf8')).matchAll(/^#{1,6} +(.+)$/gm);
  const ids = [...headings].map(([, heading = '']) => {
    const text = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase();
    const id = text.replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-');
    const count = counts.get(id) ?? 0;
    counts.set(id, count + 1);
    return count === 0 ? id : `${id}-${count}`;
  });
  return new Set(ids);
}

function leadsSomewhere(link: string, from: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? from : join(dirname(from), path);
  if (!existsSync(target)) return false;
  return anchor === undefined || !target.endsWith('.md') || anchorsOf(target).has(anchor);
}

it.each(markdownFiles('.'))('%s', (file) => {
  const text = withoutCode(readFileSync(join(root, file), 'utf8')).replaceAll(/`[^`\n]*`/g, '');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
  const relative = links.filter((link) => !/^[a-z]+:/.test(link));
  expect(relative.filter((link) => !leadsSomewhere(link, join(root, file)))).toEqual([]);
});
