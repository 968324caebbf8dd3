/** The `dm` command with its subcommands (one file each). */
import { Command } from 'commander';
import { environment } from '../machine/environment.js';
import { benchCommand } from './bench.js';
import { configCommand } from './config.js';
import { curriculumCommand } from './curriculum.js';
import { dataCommand } from './data.js';
import { doctorCommand } from './doctor.js';
import { emaCommand } from './ema.js';
import { evalCommand } from './eval/eval.js';
import { exportCommand } from './export.js';
import { withHelp } from './help.js';
import { importCommand } from './import.js';
import { optimCommand } from './optim.js';
import { refuseRepeated } from './repeated-options.js';
import { reportCommand } from './report.js';
import { sampleCommand } from './sample.js';
import { trainCommand } from './train.js';

export function createProgram(): Command {
  const program = new Command('dm')
    .description('Train diffusion models. `dm train` trains on handwritten digits and needs no arguments.')
    .version(String(environment()['dm']))
    // Options after a command's name belong to that command: `dm eval` and its subcommands share option names.
    .enablePositionalOptions();
  const commands = [
    trainCommand(),
    sampleCommand(),
    evalCommand(),
    emaCommand(),
    exportCommand(),
    importCommand(),
    reportCommand(),
    dataCommand(),
    curriculumCommand(),
    optimCommand(),
    configCommand(),
    benchCommand(),
    doctorCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  quiet(program);
  refuseRepeated(program);
  return withHelp(program);
}

/** Makes commander throw usage errors (such as an unknown flag) instead of printing them, so each is printed once. */
function quiet(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const inner of command.commands) quiet(inner);
}
