/** Text from results in pages of Markdown (GFM). */
import { escapeText } from '../text/escape.js';

/**
 * `text` as one line that Markdown shows as it is: no cell, code, HTML, entity, emphasis, link or image begins or ends in
 * it, and no address becomes a link. Brackets alone stay, since intervals have them.
 */
export function escapeMarkdown(text: string): string {
  return escapeText(text.replaceAll(/\s*[\r\n\u2028\u2029]\s*/g, ' '))
    .replaceAll(
      /[\\|`*]|<(?=[a-z/!?])|~(?=\S)|(?<=\S)~|](?=[([])|!(?=\[)|(?<=:)\/(?=\/)|(?<=www)\.|(?<=\S)@(?=\S)/gi,
      String.raw`\$&`,
    )
    .replaceAll(/&(?=#?\w+;)/g, '&amp;');
}

/** `text` as code within a line. */
export function markdownCode(text: string): string {
  return `\`${escapeText(text).replaceAll('`', String.raw`\x60`)}\``;
}

/** The address of the file at `path`, relative, with slashes. */
export function markdownAddress(path: string): string {
  return path
    .split(/[\\/]/)
    .map((part) => encodeURIComponent(part).replaceAll(/[()'*!]/g, percent))
    .join('/');
}

const percent = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;

/** A cell of a table: text, which is escaped, or Markdown. */
export type Cell = string | { readonly markdown: string };

/** A table with a header row; each cell's text is escaped, and Markdown is taken as it is. */
export function markdownTable(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const text = (cell: Cell) => (typeof cell === 'string' ? escapeMarkdown(cell) : cell.markdown);
  const line = (cells: readonly Cell[]) => `| ${cells.map(text).join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

/** An image at `address`, see `markdownAddress`, with its caption below. */
export function markdownFigure(address: string, caption: string): string {
  const text = escapeMarkdown(caption);
  return `![${text}](${address})\n\n_${text}_`;
}
