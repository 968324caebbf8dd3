import { describe, expect, it } from 'vitest';
import { markdownProse, occurrences, type PhraseName, phrases, sourceProse, workspaceProse } from './language.js';

describe('the language of READMEs, docs, comments and messages', () => {
  const prose = workspaceProse();

  it.each(Object.keys(phrases) as PhraseName[])('does not use "%s" more often than before', (name) => {
    const { most, instead } = phrases[name];
    const found = occurrences(name, prose);
    const places = found.length > most ? found.join('\n') : '';
    expect(found.length, `at most ${most}; write ${instead}\n${places}`).toBeLessThanOrEqual(most);
  });
});

it('finds phrases in comments, messages, and Markdown with their lines, but not in code', () => {
  const source =
    "const x = 1;\n/** Kept\n * where x is 1. */\nthrow new Error('stop here where it ends');\nconst where = `a ${x} b`;";
  expect(occurrences('where', sourceProse('a.ts', source))).toEqual(['a.ts:3', 'a.ts:4']);
  expect(occurrences('where', markdownProse('a.md', 'x\nwhere `where` is\n```\nwhere\n```\n'))).toEqual(['a.md:2']);
  expect(occurrences('go on', sourceProse('a.ts', '/** They go\n * on. */\n'))).toEqual(['a.ts:1']);
  expect(occurrences('go on', markdownProse('a.md', 'They go\non.\n'))).toEqual(['a.md:1']);
  const numbers = markdownProse('a.md', '60 000 images\n60,000 of them\nat batch 64 280 ms\n5 %, 6%\n7 %\n');
  expect(occurrences('digits grouped by spaces', numbers)).toEqual(['a.md:1']);
  expect(occurrences('a space before %', numbers)).toEqual(['a.md:4', 'a.md:5']);
});
