import { expect, it } from 'vitest';
import { escapedJson, escapeLines, escapeText } from './escape.js';

it.each([
  ['a name, Größe 3×3, 文字, 👍', 'a name, Größe 3×3, 文字, 👍'],
  ['\u001B[31mred\u0007', String.raw`\x1b[31mred\x07`],
  ['a\r\n\tb', String.raw`a\r\n\tb`],
  ['\u007F\u009B31m', String.raw`\x7f\x9b31m`],
  ['\u202Egnp\u2066\u2069\u200E\u061C', String.raw`\u202egnp\u2066\u2069\u200e\u061c`],
  ['a\u2028b\u2029c', String.raw`a\u2028b\u2029c`],
  ['a\u200Bb\u00ADc\uFEFFd\u2060e\u180E', String.raw`a\u200bb\xadc\ufeffd\u2060e\u180e`],
  ['\u3164\u115F\uFE0F\u034F', String.raw`\u3164\u115f\ufe0f\u034f`],
  ['\uD83Da\uDC4D', String.raw`\ud83da\udc4d`],
  ['\u{E0041}\u{E0100}\uFFFE', String.raw`\u{e0041}\u{e0100}\ufffe`],
])('shows each character of %j', (text, shown) => {
  expect(escapeText(text)).toBe(shown);
});

it('leaves line breaks alone where they are ours', () => {
  expect(escapeLines('a\n\u001Bb\r\n')).toBe('a\n\\x1bb\\r\n');
});

it('writes JSON of the same value that a terminal only shows', () => {
  const value = { 'a\u009B\u202E': ['\u2028\u{E0041}\u007F\n', '\uD83D', 'ü👍', 1e-3] };
  const json = escapedJson(value);
  expect(json).toMatch(/^[\u0020-\u007Eü👍]*$/u);
  expect(JSON.parse(json)).toEqual(value);
});
