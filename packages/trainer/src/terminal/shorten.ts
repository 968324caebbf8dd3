/** Limits the length of messages, in linear time: long values lose their middle, lists their end. */

/** Largest encoded size of a message, in bytes. */
export const maxMessageBytes = 4096;

/** Words longer than this many characters lose their middle; `wordEnd` characters remain at each end. */
const longestWord = 240;
const wordEnd = 80;

/** Characters of a list to keep, and the fewest items that count as a list. */
const listStart = 1500;
const fewestItems = 8;

/**
 * `text`, shortened if necessary so that `encode` of it has at most `maxBytes` bytes of UTF-8. `encode` must work
 * character by character and not shorten any.
 */
export function shorten(text: string, encode: (text: string) => string, maxBytes: number): string {
  if (fits(text, encode, maxBytes)) return text;
  const words = withoutLongWords(text);
  if (fits(words, encode, maxBytes)) return words;
  const list = withoutLongLists(words);
  return fits(list, encode, maxBytes) ? list : withoutMiddle(list, encode, maxBytes);
}

/** Shortens each line of a message; lines that do not fit are replaced by a last line with their number. */
export function shortenLines(
  lines: readonly string[],
  encode: (text: string) => string,
  maxBytes: number,
): readonly string[] {
  const remark = 64;
  const kept: string[] = [];
  let bytes = 0;
  for (const line of lines) {
    const short = shorten(line, encode, lines.length === 1 ? maxBytes : Math.min(maxBytes / 4, 1000));
    bytes += Buffer.byteLength(encode(short)) + 2;
    if (lines.length > 1 && bytes > maxBytes - remark) break;
    kept.push(short);
  }
  return kept.length === lines.length ? kept : [...kept, `... and ${lines.length - kept.length} more`];
}

/** Replaces omitted characters of a value. */
const omission = (count: number): string => ` ...(${count.toLocaleString('en')} characters)... `;

function fits(text: string, encode: (text: string) => string, maxBytes: number): boolean {
  return text.length <= maxBytes && Buffer.byteLength(encode(text)) <= maxBytes;
}

function withoutLongWords(text: string): string {
  const parts: string[] = [];
  let copied = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    if (i < text.length && !isBlank(text.charCodeAt(i))) continue;
    if (i - start > longestWord) {
      const count = i - start - 2 * wordEnd;
      parts.push(text.slice(copied, start + wordEnd), omission(count).trim());
      copied = i - wordEnd;
    }
    start = i + 1;
  }
  return parts.join('') + text.slice(copied);
}

/** Shortens comma-separated lists. The last item is kept, since the sentence continues after it. */
function withoutLongLists(text: string): string {
  const end = text.lastIndexOf(', ', listStart);
  if (end === -1) return text;
  let count = 0;
  let last = end;
  for (let at = end; at !== -1; at = text.indexOf(', ', at + 2)) [last, count] = [at, count + 1];
  if (count < fewestItems) return text;
  return `${text.slice(0, end)}, ... and ${count - 1} more, ${text.slice(last + 2)}`;
}

function withoutMiddle(text: string, encode: (text: string) => string, maxBytes: number): string {
  const half = Math.floor((maxBytes - 64) / 2);
  const head = upTo(half, Array.from(text.slice(0, half)), encode).join('');
  const tail = upTo(half, Array.from(text.slice(-half)).toReversed(), encode)
    .toReversed()
    .join('');
  return head + omission(text.length - head.length - tail.length) + tail;
}

/** The longest prefix of `characters` whose encoding has at most `maxBytes` bytes. */
function upTo(maxBytes: number, characters: readonly string[], encode: (text: string) => string): readonly string[] {
  let bytes = 0;
  const end = characters.findIndex((character) => (bytes += Buffer.byteLength(encode(character))) > maxBytes);
  return end === -1 ? characters : characters.slice(0, end);
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x09;
