/** Escapes untrusted text (names, values, messages of other programs) for output on a terminal. */

/**
 * Characters that a terminal interprets or does not show: control characters including C1 and line breaks (Cc), format
 * characters such as bidi controls and tags (Cf), line and paragraph separators, lone surrogates, noncharacters, and other
 * default-ignorable characters such as fillers and variation selectors.
 */
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}]/gu;

/** `unsafe` without the line feed. */
const unsafeExceptNewline =
  /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}]/gu;

const short: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` };

/** `text` as one line with unsafe characters escaped: an escape character as `\x1b`, a bidi override as `\u202e`. */
export function escapeText(text: string): string {
  return text.replaceAll(unsafe, visible);
}

/** Like `escapeText`, but keeps line breaks: for text that is already formatted in lines. */
export function escapeLines(text: string): string {
  return text.replaceAll(unsafeExceptNewline, visible);
}

function visible(character: string): string {
  const code = character.codePointAt(0)!;
  if (code > 0xffff) return `\\u{${code.toString(16)}}`;
  return short[character] ?? (code > 0xff ? `\\u${hex(code, 4)}` : `\\x${hex(code, 2)}`);
}

/** Equivalent JSON in which all characters that `escapeText` escapes are written as `\uXXXX`. */
export function escapedJson(value: unknown): string {
  return escapeJson(JSON.stringify(value));
}

/** `json`, which must not contain line breaks between tokens, with unsafe characters written as `\uXXXX`. */
function escapeJson(json: string): string {
  return json.replaceAll(unsafeExceptNewline, (character) =>
    Array.from({ length: character.length }, (_, i) => `\\u${hex(character.charCodeAt(i), 4)}`).join(''),
  );
}

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0');
