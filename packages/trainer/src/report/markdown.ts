/** Escaping of text, and tables and figures, for Markdown (GFM) pages. */
import { escapeText } from '../text/escape.js';

/**
 * `text` as one line that Markdown renders literally: it cannot start or end a cell, code, HTML, entity, emphasis, link or
 * image, and URLs do not become links. Brackets are not escaped, since intervals use them.
 */
export function escapeMarkdown(text: string): string {
  return escapeText(text.replaceAll(/\s*[\r\n\u2028\u2029]\s*/g, ' '))
    .replaceAll(
      /[\\|`*]|<(?=[a-z/!?])|~(?=\S)|(?<=\S)~|](?=[([])|!(?=\[)|(?<=:)\/(?=\/)|(?<=www)\.|(?<=\S)@(?=\S)/gi,
      String.raw`\$&`,
    )
    .replaceAll(/&(?=#?\w+;)/g, '&amp;');
}

/** `text` as inline code. */
export function markdownCode(text: string): string {
  return `\`${escapeText(text).replaceAll('`', String.raw`\x60`)}\``;
}

/** The relative URL of the file at `path`, with forward slashes. */
export function markdownAddress(path: string): string {
  return path
    .split(/[\\/]/)
    .map((part) => encodeURIComponent(part).replaceAll(/[()'*!]/g, percent))
    .join('/');
}

const percent = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;

/** A table cell: text, which is escaped, or Markdown, which is not. */
export type Cell = string | { readonly markdown: string };

/** A table with a header row. */
export function markdownTable(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const text = (cell: Cell) => (typeof cell === 'string' ? escapeMarkdown(cell) : cell.markdown);
  const line = (cells: readonly Cell[]) => `| ${cells.map(text).join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

/** An image at the URL `address` (see `markdownAddress`) with a caption below. */
export function markdownFigure(address: string, caption: string): string {
  const text = escapeMarkdown(caption);
  return `![${text}](${address})\n\n_${text}_`;
}
