import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readJsonFile, readJsonLines } from './json.js';
import { maxJsonDepth, parseJson } from './parse-json.js';

const folder = mkdtempSync(join(tmpdir(), 'dm-json-'));
afterAll(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'file');
const linesOf = (content: string | Uint8Array) => {
  writeFileSync(path, content);
  return [...readJsonLines(path)];
};
const invalid = (text: string) =>
  expect.objectContaining({ code: 'FILE_INVALID', message: expect.stringContaining(text) });

describe('parseJson', () => {
  it('accepts the greatest depth, brackets in strings not counted, and refuses one more', () => {
    const nested = (depth: number) => `${'['.repeat(depth)}${JSON.stringify('[{"'.repeat(200))}${']'.repeat(depth)}`;
    expect(JSON.stringify(parseJson(nested(maxJsonDepth), 'here'))).toBe(nested(maxJsonDepth));
    expect(() => parseJson(nested(maxJsonDepth + 1), 'here')).toThrow(invalid('here is nested'));
  });

  it('refuses a million levels of arrays or objects by the name of their source', () => {
    expect(() => parseJson('['.repeat(1e6), 'a.json')).toThrow(invalid('a.json'));
    expect(() => parseJson('{"a":'.repeat(1e6), 'a.json')).toThrow(invalid('a.json'));
  });

  it('takes a byte-order mark', () => {
    expect(parseJson('\uFEFF{"a": 1}', 'here')).toEqual({ a: 1 });
  });

  it('names the source of what is not JSON', () => {
    writeFileSync(path, '{"a": }');
    expect(() => readJsonFile(path)).toThrow(invalid(`${path} is not JSON`));
  });
});

describe('readJsonLines', () => {
  it('counts lines from 1, drops a last line without newline, and takes CRLF and a byte-order mark', () => {
    expect(linesOf('{"a":1}\n[2]\nnull\n{"cut":')).toEqual([
      { line: 1, value: { a: 1 } },
      { line: 2, value: [2] },
      { line: 3, value: null },
    ]);
    expect(linesOf('\uFEFF1\r\n2\r\n').map(({ value }) => value)).toEqual([1, 2]);
    expect(linesOf('')).toEqual([]);
  });

  it('joins lines and characters that chunks cut', () => {
    const values = Array.from({ length: 500 }, (_, i) => 'äß€😀'.repeat(i));
    expect(linesOf(values.map((value) => `${JSON.stringify(value)}\n`).join('')).map(({ value }) => value)).toEqual(
      values,
    );
  });

  it('names the line of what is not JSON, not UTF-8, nested too deep, or too long', () => {
    expect(() => linesOf('1\n{]\n')).toThrow(invalid('line 2 is not JSON'));
    expect(() => linesOf(Buffer.concat([Buffer.from('1\n"'), Buffer.of(0xff), Buffer.from('"\n')]))).toThrow(
      invalid('line 2 is not UTF-8'),
    );
    expect(() => linesOf(`1\n2\n${'['.repeat(1e5)}\n`)).toThrow(invalid('line 3 is nested'));
    expect(() => linesOf(`1\n"${'x'.repeat(2 ** 21)}"\n`)).toThrow(invalid('line 2'));
    expect(() => linesOf(`1\n${'x'.repeat(2 ** 21)}`)).toThrow(invalid('line 2'));
  });

  it('refuses a file that is too large before it reads it', () => {
    writeFileSync(path, '1\n2\n3\n');
    expect(() => [...readJsonLines(path, { maxBytes: 5 })]).toThrow(
      expect.objectContaining({ code: 'FILE_TOO_LARGE' }),
    );
  });
});
