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
import { outputError, watchOutputs } from './terminal/endings.js';
import { guardOutput, printError, printWarning } from './terminal/output.js';

guardOutput();
watchOutputs();

// Without it TF.js greets everybody who uses the engine tfjs-cpu and advises another package.
enableProdMode();

// A mistake in this program, which Node would print as it is. A training that goes on takes it itself (`stopOnEndings`).
process.on('uncaughtException', (error) => {
  if (process.listenerCount('uncaughtException') > 1) return;
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
// The streams report what they could not write only later.
process.once('beforeExit', () => {
  const unwritten = outputError();
  if (unwritten === undefined) return;
  printWarning(`warning: standard output could not be written (${unwritten.message}).`);
  // A training has written its files; of other commands the output is the product, or says where it is.
  if (process.argv[2] !== 'train') process.exitCode ||= 1;
});

/** Lets usage errors (an unknown flag, with the nearest name) come here too, so that every error is printed once. */
function quiet(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const inner of command.commands) quiet(inner);
}
