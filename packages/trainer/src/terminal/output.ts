/**
 * All output of `dm` to standard output and standard error. Text is escaped here, so that no name or value in it can move
 * the cursor, change colors, hide or reorder text, or start a new line. Our own control sequences go through
 * `createScreen`.
 */
import { StringDecoder } from 'node:string_decoder';
import { isFault, linesOf, messageOf, codeOf } from '../errors.js';
import { escapedJson, escapeLines, escapeText } from '../text/escape.js';
import { maxMessageBytes, shorten, shortenLines } from './shorten.js';

/** A text stream, and the properties of its terminal. */
export interface TextStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

type Write = NodeJS.WriteStream['write'];

/** Sequences that log-update writes directly to the process's streams: hide the cursor, and show it on exit. */
const cursorSequences = ['\u001B[?25l', '\u001B[?25h'];

/** The original `write` of guarded streams. */
const unguarded = new WeakMap<object, Write>();

/**
 * Makes standard output and standard error escape everything written to them, including by other libraries. Node's own
 * warnings, which bypass them, are printed as notes.
 */
export function guardOutput(): void {
  for (const stream of [process.stdout, process.stderr]) guard(stream);
  if (process.listenerCount('warning') > 0) {
    process.removeAllListeners('warning');
    process.on('warning', (warning) => printWarning(`warning: ${warning.message}`));
  }
}

function guard(stream: NodeJS.WriteStream): void {
  const write = stream.write.bind(stream);
  unguarded.set(stream, write);
  const decoder = new StringDecoder('utf8');
  stream.write = (chunk: string | Uint8Array, ...more: never[]) => {
    const text = typeof chunk === 'string' ? chunk : decoder.write(Buffer.from(chunk));
    if (cursorSequences.includes(text)) return write(text);
    const encoding = typeof more[0] === 'string' ? more.slice(1) : more;
    return write(escapeLines(text), ...encoding);
  };
}

/** Writes text that is already escaped, or one of our control sequences, to `stream`. */
function writeRaw(stream: TextStream, text: string): void {
  const write = unguarded.get(stream);
  if (write === undefined) stream.write(text);
  else write(text);
}

/** Prints lines on standard output; each stays one line whatever it contains. */
export function print(lines: string | readonly string[]): void {
  writeLines(process.stdout, typeof lines === 'string' ? [lines] : lines);
}

function writeLines(stream: TextStream, lines: readonly string[]): void {
  writeRaw(stream, lines.map((line) => `${escapeText(line)}\n`).join(''));
}

/** Prints a value as one line of JSON on standard output. */
export function printJson(value: unknown): void {
  writeRaw(process.stdout, `${escapedJson(value)}\n`);
}

/** Prints a note of bounded length on standard output: as JSON, or as text after `label`. */
export function printNote(text: string, { json }: { readonly json?: boolean | undefined }, label = ''): void {
  if (json === true) printJson({ event: 'note', text: shortJson(text) });
  else writeRaw(process.stdout, `${messageLine(label + text)}\n`);
}

/** Prints a line of bounded length on standard error; on a terminal it replaces the live line. */
export function printWarning(text: string): void {
  createScreen(process.stderr).note(text);
}

/** `text` as one line of bounded length, escaped. */
export function messageLine(text: string): string {
  return escapeText(shorten(text, escapeText, maxMessageBytes - prefixBytes));
}

/** Prints the message of an error, with `--debug` also its stack; with `--json` as an object on standard output. */
export function printError(error: unknown, flags: { readonly json?: boolean; readonly debug?: boolean }): void {
  const lines = isFault(error)
    ? [`${messageOf(error)} (a bug in dm; use --debug for the stack trace)`]
    : linesOf(error).map((line, i) => (i === 0 ? line.replace(/^error: /, '') : line));
  const [first, ...others] = shortLines(lines);
  const shown = [`error: ${first}`, ...others, ...(flags.debug === true ? shortLines(stackOf(error)) : [])];
  writeLines(process.stderr, shown);
  if (flags.json === true) {
    const message = shortJson(lines.join('\n'));
    printJson({ event: 'error', code: codeOf(error) ?? (isFault(error) ? 'FAULT' : 'ERROR'), message });
  }
}

/** The stack lines of an error and of its causes, without the message, which may contain similar lines. */
function stackOf(error: unknown, depth = 0): string[] {
  if (!(error instanceof Error) || depth > 8) return [];
  const { stack = '', message, cause } = error;
  const at = stack.indexOf(message);
  const frames = stack.slice(at === -1 ? 0 : at + message.length).split('\n');
  return [
    ...frames.filter((line) => line.startsWith('    at ')),
    ...(cause === undefined ? [] : [`caused by: ${messageOf(cause)}`, ...stackOf(cause, depth + 1)]),
  ];
}

/** Bytes reserved for the text around a message. */
const prefixBytes = 64;
const inJson = (text: string): string => escapedJson(text).slice(1, -1);
const shortJson = (text: string): string => shorten(text, inJson, maxMessageBytes - 2 * prefixBytes);
const shortLines = (lines: readonly string[]) => shortenLines(lines, escapeText, maxMessageBytes - prefixBytes);

/** A terminal with one live line that is updated in place, below permanent output. */
export interface Screen {
  readonly isTerminal: boolean;
  /** Replaces the live line, truncated to the width of the terminal. */
  live(text: string): void;
  /** Prints a permanent message of bounded length. */
  note(text: string): void;
  /** Ends the live line, or clears it. */
  end(what: 'keep' | 'clear'): void;
}

const clearLine = '\r\u001B[K';

export function createScreen(stream: TextStream): Screen {
  const isTerminal = stream.isTTY === true;
  let line = '';
  return {
    isTerminal,
    live(text) {
      if (!isTerminal) return;
      line = escapeText(text).slice(0, (stream.columns ?? 80) - 1);
      writeRaw(stream, clearLine + line);
    },
    note(text) {
      writeRaw(stream, `${isTerminal ? clearLine : ''}${messageLine(text)}\n${line}`);
    },
    end(what) {
      if (line !== '') writeRaw(stream, what === 'keep' ? '\n' : clearLine);
      line = '';
    },
  };
}

/** `stream` for a library that writes its own control sequences; the text passed to it must already be escaped. */
export function canvasOf(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  const write = unguarded.get(stream);
  return write === undefined ? stream : (Object.create(stream, { write: { value: write } }) as NodeJS.WriteStream);
}
