/** `dm curriculum table` and `dm curriculum plot`. */
import { Command } from 'commander';
import { atomicWriteFile } from '../files/atomic-write.js';
import { checkFileOutput } from '../files/check-output.js';
import { tableOfCurriculum } from '../interchange/tables.js';
import { densityLines } from '../interchange/density-lines.js';
import { densityOverTraining } from '../interchange/density-over-training.js';
import { densityPlot } from '../plot/density-plot.js';
import { print, printJson } from '../terminal/output.js';
import type { FieldFlag } from './config-flags.js';
import { saveTable, tableConfig, withTableConfig, type TableFlags } from './table-config.js';

/** Fields that determine the timestep schedule. */
const scheduleFlags: readonly FieldFlag[] = ['preset', 'schedule', 'timesteps', 'steps', 'noise-schedule'];
const tableFlags: readonly FieldFlag[] = [...scheduleFlags, 'loss-weighting'];

export function curriculumCommand(): Command {
  const command = new Command('curriculum').description('Tables and plots of timestep schedules.');
  const table = command
    .command('table')
    .description(
      'Save the density over timesteps at each step of a run, and the loss weights, for use in PyTorch by ' +
        'python/dm_tables.py.',
    )
    .requiredOption('--out <file>', 'output file, .npz or .json');
  withTableConfig(table, tableFlags).action(writeCurriculum);
  const plot = command
    .command('plot')
    .description('Show the density over training, its quantiles, and the effective sample size of importance weights.')
    .option('--out <file.svg>', 'also plot them to this file');
  withTableConfig(plot, scheduleFlags).action(plotCurriculum);
  return command;
}

async function writeCurriculum(flags: TableFlags & { readonly out: string }): Promise<void> {
  await saveTable(flags.out, flags, () => {
    const config = tableConfig(flags, tableFlags);
    const { curriculum, diffusion, totalSteps, lossWeighting } = config;
    return {
      table: tableOfCurriculum(config),
      lines: [
        `${curriculum.type}, ${diffusion.timesteps} timesteps of the ${diffusion.schedule.type} noise schedule, ` +
          `${totalSteps} steps, loss weighting ${lossWeighting.type}`,
      ],
    };
  });
}

async function plotCurriculum(flags: TableFlags & { readonly out?: string }): Promise<void> {
  const { out, json } = flags;
  if (out !== undefined) checkFileOutput('--out', out, '.svg');
  const shown = densityOverTraining(tableConfig(flags, scheduleFlags));
  if (out !== undefined) atomicWriteFile(out, await densityPlot(shown));
  if (json === true) {
    const { curriculum, numTimesteps, totalSteps, quantiles, moments } = shown;
    printJson({
      event: 'density',
      curriculum,
      numTimesteps,
      totalSteps,
      quantiles,
      moments: moments.map(({ step, quantiles: values, effectiveSampleSize }) => ({
        step,
        quantiles: values,
        effectiveSampleSize,
      })),
    });
    if (out !== undefined) printJson({ event: 'end', out });
  } else print([...densityLines(shown), ...(out === undefined ? [] : ['', `plot: ${out}`])]);
}
