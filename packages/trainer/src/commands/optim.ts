/** `dm optim table`. */
import { Command } from 'commander';
import { tableOfOptimizer } from '../interchange/tables.js';
import type { FieldFlag } from './config-flags.js';
import { saveTable, tableConfig, withTableConfig, type TableFlags } from './table-config.js';

/** Fields that determine the learning rate and the momentum. */
const fieldFlags: readonly FieldFlag[] = ['preset', 'optimizer', 'lr', 'lr-schedule', 'steps'];

type OptimTableFlags = TableFlags & { readonly out: string; readonly momentumDecay?: boolean };

export function optimCommand(): Command {
  const command = new Command('optim').description("Tables of an optimizer's schedules.");
  const table = command
    .command('table')
    .description(
      'Save learning rate and beta1 at each step of a run, with warm-up, decay and momentum decay (MDLRC), for use in ' +
        'PyTorch by python/dm_tables.py.',
    )
    .requiredOption('--out <file>', 'output file, .npz or .json')
    .option('--no-momentum-decay', 'keep momentum (and learning rate) constant');
  withTableConfig(table, fieldFlags).action(run);
  return command;
}

async function run(flags: OptimTableFlags): Promise<void> {
  const isConstant = flags.momentumDecay === false;
  const constant = { source: '--no-momentum-decay', value: { optimizer: { momentumDecay: null } } };
  await saveTable(flags.out, flags, () => {
    const config = tableConfig(flags, fieldFlags, isConstant ? [constant] : []);
    const table = tableOfOptimizer(config);
    const ends = Object.entries(table.arrays).map(
      ([name, values]) =>
        `${name}: ${short(values[0]!)} at step 0, ${short(values.at(-1)!)} at step ${values.length - 1}`,
    );
    return { table, lines: [`${config.optimizer.type}, ${config.totalSteps} steps`, ...ends] };
  });
}

const short = (value: number): string => String(Number(value.toPrecision(4)));
