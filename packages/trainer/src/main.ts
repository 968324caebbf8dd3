/** The `dm` command: runs it (`createProgram`) and prints errors. */
import { setTimeout } from 'node:timers/promises';
import { enableProdMode } from '@tensorflow/tfjs-core';
import { findLauncher } from '@dm/mpi';
import { CommanderError } from 'commander';
import { createProgram } from './commands/program.js';
import { outputError, watchOutputs } from './terminal/endings.js';
import { guardOutput, printError, printWarning } from './terminal/output.js';

/** Milliseconds that the first rank has to report an error of the command line. */
const reportMs = 5000;

/** Runs the command that the process was started with. */
export async function main(): Promise<void> {
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

  const program = createProgram();

  try {
    await program.parseAsync();
  } catch (error) {
    // --help and --version end in a CommanderError with exit code 0.
    if (error instanceof CommanderError && error.exitCode === 0) process.exitCode = 0;
    // Without a subcommand, commander has printed the help.
    else if (error instanceof CommanderError && error.code === 'commander.help') process.exitCode = 1;
    else {
      // Commander puts the hint on a separate line.
      if (error instanceof CommanderError) error.message = error.message.replace(/\n(?=\(Did you mean )/, ' ');
      // All ranks have the same command line, so the first one reports its errors. The others wait for it, since mpirun
      // kills all ranks when one of them fails.
      const isReported = error instanceof CommanderError && (findLauncher()?.rank ?? 0) > 0;
      if (isReported) await setTimeout(reportMs);
      else printError(error, { json: process.argv.includes('--json'), debug: process.argv.includes('--debug') });
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
}
