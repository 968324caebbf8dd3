/** Phrases that this project avoids in prose, with the number of remaining uses. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from '../bootstrap/commands.mjs';

/** A phrase to avoid, its replacement, and the number of allowed uses. */
export interface Phrase {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Allowed uses: correct ones, and those not rewritten yet. Must only decrease. */
  readonly most: number;
}

export const phrases = {
  where: { pattern: /\bwhere\b/gi, instead: 'if, when, in which', most: 14 },
  'Throws in a sentence': { pattern: /(?<!@)\bThrows\b/g, instead: '@throws {RangeError} if ...', most: 0 },
  'says so': {
    pattern: /\b(says?|say) so\b|\b(is|are|was) (said|told)\b/gi,
    instead: 'is logged, is reported, raises',
    most: 1,
  },
  beside: { pattern: /\bbeside\b/gi, instead: 'alongside, compared with, next to', most: 0 },
  'of its own': { pattern: /\bof (its|their|his|her) own\b/gi, instead: 'its own ...', most: 2 },
  'that of': { pattern: /\b(that|those) of\b/gi, instead: 'a noun', most: 12 },
  'lies, stands': {
    pattern: /\b(lies|lie|lay|stands?|stood) (in|at|on|above|below|there|open|for|under)\b|\bgo(es)? by\b/gi,
    instead: 'is stored in, is defined in, uses',
    most: 1,
  },
  'is made of, is kept': { pattern: /\b(is|are) (made of|kept)\b/gi, instead: 'consists of, is saved', most: 9 },
  'is no': { pattern: /\b(is|are|was) no (?!longer\b)[a-z]+/g, instead: 'is not a ...', most: 22 },
  'a line a step': {
    pattern:
      /\b(a|an|one|two|three|four|ten|[\d.]+) [a-z]+ (a|an) (line|column|row|step|image|run|example|class|call|timestep|session|file|layer)\b/gi,
    instead: 'one line per step',
    most: 4,
  },
  'go on': { pattern: /\bgo(es|ne|ing)? on\b/gi, instead: 'continue, resume', most: 0 },
  'a space before %': { pattern: /\d %/g, instead: '5%', most: 0 },
  'digits grouped by spaces': {
    pattern: /(?<!(?:batch|seeds?|steps?),? |[\d.,/^-])\b\d{1,3} \d{3}\b(?![.\dx])/g,
    instead: '60,000',
    most: 0,
  },
  anew: { pattern: /\banew\b|\bput right\b|\bof which kind\b/gi, instead: 'again', most: 0 },
} as const satisfies Record<string, Phrase>;

export type PhraseName = keyof typeof phrases;

/** A piece of prose and its location. */
export interface Prose {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

const skipped = new Set(['node_modules', 'dist', '.nx', '.git', 'reports', 'runs', 'fixtures', 'results', 'tarball']);
/** Generated files. */
const generated = new Set(['docs/experiments.md', 'packages/jit/FEATURES.md']);

/** Pages of the site that are copies of READMEs, or written from doc comments. */
export const generatedFolders = new Set(['docs/api', 'docs/packages']);

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '.' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return skipped.has(entry.name) || generatedFolders.has(path) ? [] : files(path);
    return generated.has(path) ? [] : [path];
  });
}

/** Markdown files, and the comments and strings of at least three words in sources, except tests. */
export function workspaceProse(): Prose[] {
  return files('.').flatMap((file) => {
    if (file.endsWith('.md')) return markdownProse(file, readFileSync(join(root, file), 'utf8'));
    if (!/\.(ts|mjs)$/.test(file) || /\.test\.ts$|\.d\.ts$|^tools\/checks\/language/.test(file)) return [];
    return sourceProse(file, readFileSync(join(root, file), 'utf8'));
  });
}

export function markdownProse(file: string, text: string): Prose[] {
  const withoutCode = text.replaceAll(/```.*?```|`[^`\n]*`/gs, (code) => code.replaceAll(/[^\n]/g, ' '));
  return [{ file, line: 1, text: withoutCode }];
}

export function sourceProse(file: string, text: string): Prose[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true);
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line + 1;
  const found: Prose[] = [];
  const seen = new Set<number>();
  const addComments = (position: number): void => {
    for (const { pos, end } of ts.getLeadingCommentRanges(text, position) ?? []) {
      if (seen.has(pos)) continue;
      seen.add(pos);
      found.push({ file, line: lineOf(pos), text: text.slice(pos, end).replaceAll(/`[^`\n]*`/g, ' ') });
    }
  };
  const visit = (node: ts.Node): void => {
    addComments(node.getFullStart());
    addComments(node.getEnd());
    const isText =
      ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateHead(node) ||
      ts.isTemplateMiddle(node) || ts.isTemplateTail(node); // prettier-ignore
    if (isText && node.text.trim().split(/\s+/).length >= 3) {
      found.push({ file, line: lineOf(node.getStart()), text: node.text });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The occurrences of a phrase, as `file:line`. */
export function occurrences(name: PhraseName, prose: readonly Prose[]): string[] {
  const { source, flags } = phrases[name].pattern;
  // A phrase may be wrapped, in a comment with a leading asterisk on the next line.
  const pattern = new RegExp(source.replaceAll(' ', String.raw`\s+(?:\*\s+)?`), flags);
  return prose.flatMap(({ file, line, text }) =>
    [...text.matchAll(pattern)].map((match) => {
      const before = text.slice(0, match.index).split('\n').length - 1;
      return `${file}:${line + before}`;
    }),
  );
}
