import { describe, expect, it } from 'vitest';
import { escapeText } from '../text/escape.js';
import { maxMessageBytes, shorten, shortenLines } from './shorten.js';

const short = (text: string) => shorten(text, escapeText, maxMessageBytes);
const bytes = (text: string) => Buffer.byteLength(escapeText(text));

describe('shorten', () => {
  it('leaves what fits as it is', () => {
    const text = 'a'.repeat(maxMessageBytes);
    expect(short(text)).toBe(text);
  });

  it('takes the middle out of a long value, and keeps what is said of it', () => {
    const text = short(`config.json: "${'x'.repeat(1e6)}" is not a number. Give one.`);
    expect(text).toMatch(/^config\.json: "x+\.\.\.\(999,8\d\d characters\)\.\.\.x+".*one\.$/);
    expect(text.length).toBeLessThan(300);
  });

  it('counts what it leaves out of a list', () => {
    const names = Array.from({ length: 10_000 }, (_, i) => `file-${i}.png`);
    const text = short(`Cannot be decoded: ${names.join(', ')}. Leave them out with --skip-bad.`);
    expect(text).toMatch(/^Cannot .*: file-0\.png, file-1\.png, /);
    expect(text).toMatch(/\.\.\. and (\d+) more.*file-9999\.png\..*--skip-bad\.$/);
    const left = (text.match(/file-/g) ?? []).length;
    expect(left + Number(/and (\d+) more/.exec(text)![1])).toBe(names.length);
  });

  it.each([
    ['words', 'word '.repeat(1e6)],
    ['blanks', ' '.repeat(1e6)],
    ['what is escaped', '\u202E'.repeat(1e6)],
    ['tags', '\u{E0041} '.repeat(1e6)],
    ['commas', ', '.repeat(1e6)],
    ['lines', 'a\n'.repeat(1e6)],
    ['umlauts', 'ü'.repeat(1e6)],
    ['one long item of a list', `${'a, '.repeat(100)}${'word '.repeat(1e6)}`],
  ])('bounds %s', (_, text) => {
    expect(bytes(short(`begin ${text} end`))).toBeLessThanOrEqual(maxMessageBytes);
    expect(short(`begin ${text} end`)).toMatch(/^begin .* end$/s);
  });
});

describe('shortenLines', () => {
  const lines = (all: readonly string[]) => shortenLines(all, escapeText, maxMessageBytes);

  it('leaves lines that fit, and shortens each that is long', () => {
    expect(lines(['a', 'b'])).toEqual(['a', 'b']);
    expect(lines(['a'.repeat(1e5), 'b'])).toEqual([expect.stringMatching(/^a+\.\.\.\(\S+ characters\)\.\.\.a+$/), 'b']);
  });

  it('counts lines that do not fit', () => {
    const found = lines(Array.from({ length: 5000 }, (_, i) => `line ${i}`));
    expect(found[0]).toBe('line 0');
    expect(found.at(-1)).toMatch(new RegExp(`\\b${5000 - (found.length - 1)} more`));
    expect(bytes(found.join('\n'))).toBeLessThanOrEqual(maxMessageBytes);
  });
});
