#!/usr/bin/env node
/** The `dm` command: which commands there are, and how an error ends. Each command is a file in commands/. */
import { enableProdMode } from '@tensorflow/tfjs-core';
import { Command, CommanderError } from 'commander';
import { benchCommand } from './commands/bench.js';
import { configCommand } from './commands/config.js';
import { dataCommand } from './commands/data.js';
import { doctorCommand } from './commands/doctor.js';
import { evalCommand } from './commands/eval/eval.js';
import { exportCommand } from './commands/export.js';
import { importCommand } from './commands/import.js';
import { reportCommand } from './commands/report.js';
import { sampleCommand } from './commands/sample.js';
import { trainCommand } from './commands/train.js';
import { environment } from './machine/environment.js';
import { guardOutput, printError } from './terminal/output.js';

guardOutput();

// Without it TF.js greets everybody who uses the engine tfjs-cpu and advises another package.
enableProdMode();

// Who reads along (`dm train | head`) may leave: that is no reason to end a training, whose log is in its folder.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

// A mistake in this program, which Node would print as it is.
process.on('uncaughtException', (error) => {
  printError(error, { debug: true });
  process.exit(1);
});

const program = new Command('dm')
  .description('Train diffusion models. `dm train` trains on handwritten digits and needs no arguments.')
  .version(String(environment()['dm']))
  // What follows a command's name is that command's: `dm eval` and the commands below it share names of options.
  .enablePositionalOptions();
const commands = [
  trainCommand(),
  sampleCommand(),
  evalCommand(),
  exportCommand(),
  importCommand(),
  reportCommand(),
  dataCommand(),
  configCommand(),
  benchCommand(),
  doctorCommand(),
];
for (const command of commands) program.addCommand(command);
quiet(program);

try {
  await program.parseAsync();
} catch (error) {
  // Asking for help or the version ends in an error without a fault.
  if (error instanceof CommanderError && error.exitCode === 0) process.exitCode = 0;
  else {
    // The hint that commander puts on a line of its own.
    if (error instanceof CommanderError) error.message = error.message.replace(/\n(?=\(Did you mean )/, ' ');
    printError(error, { json: process.argv.includes('--json'), debug: process.argv.includes('--debug') });
    process.exitCode = 1;
  }
}

/** Lets usage errors (an unknown flag, with the nearest name) come here too, so that every error is printed once. */
function quiet(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const inner of command.commands) quiet(inner);
}
