import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';
import { pinnedSentences, pinsIn } from './pinned-sentences.js';

const workspaces = ['packages', 'experiments', 'tools'].flatMap((folder) =>
  readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${folder}/${name}`),
);

describe('tests assert codes, names, and values, not sentences of five words or more', () => {
  it.each(workspaces)('in %s', (workspace) => {
    const places = pinsIn(workspace).map(({ file, line, text }) => `${file}:${line}: ${text}`);
    expect(places, 'use toThrowWith({ type, code, contains })').toEqual([]);
  });
});

const countOf = (code: string): number => pinnedSentences('a.test.ts', code).length;
const sentence = 'the file x is not there';

describe('pinnedSentences', () => {
  it.each([
    ['a string', `expect(f).toThrow('${sentence}')`],
    ['after rejects', `await expect(f()).rejects.toThrow('${sentence}')`],
    ['after not', `expect(f).not.toThrow('${sentence}')`],
    ['a regular expression with gaps', String.raw`expect(f).toThrow(/^the file \S+ is .*not [a-z]+ there\.$/)`],
    ['a constructed regular expression', 'expect(f).toThrow(new RegExp(`the file ${x} is not there, however`))'],
    ['a template', 'expect(text).toBe(`the file ${x} is not there, however`)'],
    ['a sum', `expect(text).toBe('the file ' + x + ' is not there' + ' any longer')`],
    ['in an object', `expect(f).toThrow(expect.objectContaining({ message: '${sentence}' }))`],
    ['in an asymmetric matcher', `expect(list).toEqual([expect.stringContaining('${sentence}')])`],
    ['in a fragment', `expect(f).toThrowWith({ code: 'X', contains: ['x', '${sentence}'] })`],
    ['joined lines', `expect(text).toBe(['a', '${sentence}'].join('\\n'))`],
    ['a search', `expect(text.includes('${sentence}')).toBe(true)`],
    ['a test of an expression', `expect(/${sentence}/.test(text)).toBe(true)`],
    ['behind a name', `const message = '${sentence}'; expect(f).toThrow(message)`],
    ['behind a property', `const told = { of: { file: '${sentence}' } }; expect(f).toThrow(told.of.file)`],
    ['in a table', `it.each([[1, '${sentence}']])('%s', (n, message) => { expect(f(n)).toThrow(message); })`],
    ['in a table of objects', `it.each([{ told: '${sentence}' }])('%s', ({ told }) => expect(f).toThrow(told))`],
    ['in a named table', `const t = [['x', /${sentence}/]] as const; it.for(t)('', ([, m]) => expect(f).toThrow(m))`],
    ['in a loop', `for (const message of ['${sentence}']) expect(f).toThrow(message)`],
    ['in a callback', `['${sentence}'].forEach((message) => expect(f).toThrow(message))`],
    ['given to a helper', `const refuses = (m) => expect(f).toThrow(m); refuses('${sentence}')`],
    ['made by a function', `function told(x) { return '${sentence}' + x; } expect(e.message).toBe(told(1))`],
    ['made by a helper', `const told = (x) => ({ message: \`${sentence} \${x}\` }); expect(e).toEqual(told(1))`],
  ])('finds %s', (_, code) => {
    expect(countOf(code)).toBe(1);
  });

  it.each([
    ['few words', `expect(f).toThrow('file x.npy: 3 of 4 bytes')`],
    ['fragments', `expect(f).toThrowWith({ code: 'X', contains: ['the file', 'x.npy', 'is not there'] })`],
    ['arguments of the code under test', `expect(parse('${sentence}')).toBe(3)`],
    ['a title and a reason', `it('${sentence}', () => expect(1, '${sentence}').toBe(1))`],
    ['another string', `write('${sentence}')`],
    ['inputs in a table', `it.each([['${sentence}', 3]])('%s', (text, n) => { expect(length(text)).toBe(n); })`],
    ['names', `expect(names).toBe('step, loss, sample, checkpoint, log, start, end')`],
    ['numbers', `expect(text).toBe('1 2 3 4 5 6 7 8 9 of 10')`],
    ['paths', `expect(text).toBe('/home/of/the/file is/in/the/folder a/b c/d')`],
    ['code', `expect(text).toBe('const a = (the) => it;')`],
    ['JSON', `expect(text).toBe('{ "a": "the file is not there" }')`],
    ['a row of a table', `expect(lines[1]).toBe('speed   10 images/s  at the peak  and so on')`],
    ['a row in Markdown', `expect(lines).toContain('| the | file | is | not | there |')`],
  ])('does not count %s', (_, code) => {
    expect(countOf(code)).toBe(0);
  });

  it('returns file, line, and text, each text once', () => {
    const code = `const message = '${sentence}';\nexpect(f).toThrow(message);\nexpect(g).toThrow(message);`;
    expect(pinnedSentences('a.test.ts', code)).toEqual([{ file: 'a.test.ts', line: 1, text: expect.any(String) }]);
  });
});
