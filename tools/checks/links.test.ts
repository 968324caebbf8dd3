// Every relative link in Markdown files points to an existing file.
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

it.each(markdownFiles('.'))('%s', (file) => {
  const text = readFileSync(join(root, file), 'utf8').replaceAll(/```.*?```|`[^`\n]*`/gs, '');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!.replace(/#.*$/, ''));
  const relative = links.filter((link) => link !== '' && !/^[a-z]+:/.test(link));
  expect(relative.filter((link) => !existsSync(join(root, dirname(file), link)))).toEqual([]);
});
