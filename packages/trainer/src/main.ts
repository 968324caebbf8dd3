/** The `dm` command: registers the subcommands (one file each in commands/) and prints errors. */
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

// Without it TF.js prints a banner for the engine tfjs-cpu that recommends installing another package.
enableProdMode();

// A bug in dm, which Node would print with its own formatting. A running training handles it itself (`stopOnEndings`).
process.on('uncaughtException', (error) => {
  if (process.listenerCount('uncaughtException') > 1) return;
  printError(error, { debug: true });
  process.exit(1);
});

const program = new Command('dm')
  .description('Train diffusion models. `dm train` trains on handwritten digits and needs no arguments.')
  .version(String(environment()['dm']))
  // Options after a command's name belong to that command: `dm eval` and its subcommands share option names.
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
  // --help and --version end in a CommanderError with exit code 0.
  if (error instanceof CommanderError && error.exitCode === 0) process.exitCode = 0;
  else {
    // Commander puts the hint on a separate line.
    if (error instanceof CommanderError) error.message = error.message.replace(/\n(?=\(Did you mean )/, ' ');
    printError(error, { json: process.argv.includes('--json'), debug: process.argv.includes('--debug') });
    process.exitCode = 1;
  }
}
// The streams report failed writes asynchronously.
process.once('beforeExit', () => {
  const unwritten = outputError();
  if (unwritten === undefined) return;
  printWarning(`warning: standard output could not be written (${unwritten.message}).`);
  // Training has written its files; for other commands standard output is the result, or names the file that holds it.
  if (process.argv[2] !== 'train') process.exitCode ||= 1;
});

/** Makes commander throw usage errors (such as an unknown flag) instead of printing them, so each is printed once. */
function quiet(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const inner of command.commands) quiet(inner);
}
