/** Text from elsewhere (names, values, messages of other programs) in a form that a terminal only shows. */

/**
 * What a terminal obeys or does not show: control characters, C1 and line breaks included (Cc), format characters such
 * as bidi controls and tags (Cf), line and paragraph separators, lone surrogates, noncharacters, and all else that is
 * invisible by default, such as fillers and variation selectors.
 */
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}]/gu;

/** The same without the line feed. */
const unsafeExceptNewline =
  /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}]/gu;

const short: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` };

/** `text` as one line that shows every character: an escape character as `\x1b`, a bidi override as `\u202e`. */
export function escapeText(text: string): string {
  return text.replaceAll(unsafe, visible);
}

/** The same, except that line breaks stay: for text that other code has formatted. */
export function escapeLines(text: string): string {
  return text.replaceAll(unsafeExceptNewline, visible);
}

function visible(character: string): string {
  const code = character.codePointAt(0)!;
  if (code > 0xffff) return `\\u{${code.toString(16)}}`;
  return short[character] ?? (code > 0xff ? `\\u${hex(code, 4)}` : `\\x${hex(code, 2)}`);
}

/** JSON of the same value in which all that `escapeText` escapes is `\uXXXX`. */
export function escapedJson(value: unknown): string {
  return escapeJson(JSON.stringify(value));
}

/** `json`, which holds no line breaks between its tokens, with what `escapeText` escapes as `\uXXXX`. */
function escapeJson(json: string): string {
  return json.replaceAll(unsafeExceptNewline, (character) =>
    Array.from({ length: character.length }, (_, i) => `\\u${hex(character.charCodeAt(i), 4)}`).join(''),
  );
}

const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0');
