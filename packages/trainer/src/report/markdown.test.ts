import { expect, it } from 'vitest';
import { escapeMarkdown, markdownAddress, markdownCode, markdownFigure, markdownTable } from './markdown.js';

it.each([
  [
    '0.98 [0.97, 1.00], x0+clts (2 of 3 seeds); arXiv:2404.07946',
    '0.98 [0.97, 1.00], x0+clts (2 of 3 seeds); arXiv:2404.07946',
  ],
  ['a|b\\|c', String.raw`a\|b\\\|c`],
  ['`rm`', '\\`rm\\`'],
  ['<img src=x onerror=alert(1)>', String.raw`\<img src=x onerror=alert(1)>`],
  ['[a](http://b.c)', String.raw`[a\](http:\//b.c)`],
  ['![a](b)', String.raw`!\[a\](b)`.replace(String.raw`!\[`, String.raw`\![`)],
  ['[a][b] [c]: d', String.raw`[a\][b] [c]: d`],
  ['a\n# b\r\n\u2028c', 'a # b c'],
  ['**a** ~~b~~', String.raw`\*\*a\*\* \~\~b\~\~`],
  ['&lt; R&D', '&amp;lt; R&D'],
  ['https://a.b www.a.b a@b.c', String.raw`https:\//a.b www\.a.b a\@b.c`],
  ['\u001B[31m\u202E', String.raw`\\x1b[31m\\u202e`],
])('escapes %j', (text, escaped) => {
  expect(escapeMarkdown(text)).toBe(escaped);
});

it('keeps a cell, a code span, an address and a caption to themselves', () => {
  expect(markdownTable(['a'], [['x | y\nz'], [{ markdown: '[a](b)' }]])).toBe(
    '| a |\n| --- |\n| x \\| y z |\n| [a](b) |',
  );
  expect(markdownCode('a`b')).toBe('`a\\x60b`');
  expect(markdownAddress('../a b/(c)|d.svg')).toBe('../a%20b/%28c%29%7Cd.svg');
  expect(markdownFigure('a.svg', 'b](c)\n')).toBe('![b\\](c) ](a.svg)\n\n_b\\](c) _');
});
