/** What the commands that make tables share: the configuration, and `--out`. */
import { Option, type Command } from 'commander';
import { resolveConfig, type Layer } from '../config/resolve.js';
import { savedConfig } from '../config/saved-config.js';
import type { Config } from '../config/schema.js';
import { checkTableOutput, writeTable, type Table } from '../interchange/tables.js';
import { runFolder } from '../run/run-folder.js';
import { print, printJson } from '../terminal/output.js';
import { type CommonFlags, withCommonOptions } from './common.js';
import { layersOf, withConfigOptions, type ConfigFlags, type FieldFlag } from './config-flags.js';

export type TableFlags = CommonFlags & ConfigFlags & { readonly run?: string };

/** Adds `--run`, `--config`, these flags, `--set`, `--json` and `--debug`. */
export function withTableConfig(command: Command, flags: readonly FieldFlag[]): Command {
  command.addOption(new Option('--run <folder>', 'use the configuration of this run').conflicts('config'));
  return withCommonOptions(withConfigOptions(command, flags));
}

/** The configuration of the run, if one is named, overridden by the flags, `more` and `--set`. */
export function tableConfig(flags: TableFlags, known: readonly FieldFlag[], more: readonly Layer[] = []): Config {
  const before = flags.run === undefined ? [] : [savedConfig(runFolder(flags.run))];
  return resolveConfig([...before, ...layersOf(flags, known, more)]);
}

/** Writes a table, and prints what it contains after `lines`. */
export async function saveTable(
  out: string,
  { json }: CommonFlags,
  create: () => { readonly table: Table; readonly lines: readonly string[] },
): Promise<void> {
  checkTableOutput(out);
  const { table, lines } = create();
  await writeTable(out, table);
  const shapes = Object.fromEntries(Object.entries(table.arrays).map(([name, { length }]) => [name, [length]]));
  if (json === true) printJson({ event: 'end', out, ...table.meta, arrays: shapes });
  else {
    print([
      ...lines,
      `arrays: ${Object.entries(shapes)
        .map(([name, shape]) => `${name} [${shape.join(', ')}]`)
        .join(', ')}`,
      `table:  ${out}`,
    ]);
  }
}
