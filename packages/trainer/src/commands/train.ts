/** `dm train`. */
import { dmCommand } from '@dm/files';
import { findLauncher, openWorld, type World } from '@dm/mpi';
import { Command, Option } from 'commander';
import { createDashboard } from '../terminal/dashboard.js';
import { createEstimate, type AnnounceEstimate } from '../terminal/estimate.js';
import { formatDuration } from '../terminal/duration.js';
import { createProgress, type Progress } from '../terminal/progress.js';
import { defaultPreset } from '../config/presets.js';
import type { Layer } from '../config/resolve.js';
import { formatMebibytes } from '../files/disk.js';
import { fileURLToPath } from 'node:url';
import { dryRun, type DryRun, type TrainingPlan } from '../bench/dry-run.js';
import { measureApart } from '../bench/measure-apart.js';
import { formatGibibytes } from '../setup/memory.js';
import type { TrainHooks } from '../session/hooks.js';
import { groupOf, isSharedError } from '../session/world-group.js';
import { onEveryRank } from '../setup/group.js';
import { trainLayers, type TrainResult } from '../train.js';
import { exitCodeOf, stopOnEndings } from '../terminal/endings.js';
import { print, printError, printJson, printNote, printWarning } from '../terminal/output.js';
import { type CommonFlags, integer, withCommonOptions } from './common.js';
import { allFieldFlags, layersOf, withConfigOptions, type ConfigFlags } from './config-flags.js';

type TrainFlags = CommonFlags &
  ConfigFlags & {
    readonly momentumDecay?: boolean;
    readonly skipBad?: boolean;
    readonly ui?: boolean;
    readonly resume?: boolean | string;
    readonly extend?: number;
    readonly overwrite?: boolean;
    readonly dryRun?: boolean;
    readonly skipMemoryCheck?: boolean;
  };

export function trainCommand(): Command {
  const command = new Command('train').description(
    `Train a model. Options not given come from the preset; the defaults shown belong to ${defaultPreset}.`,
  );
  withConfigOptions(command, allFieldFlags)
    .option('--no-momentum-decay', 'keep momentum (and learning rate) constant')
    .option('--skip-bad', 'skip and list images that cannot be decoded, instead of stopping at the first')
    .option('--ui', 'show a dashboard instead of a progress line (on a terminal)')
    .addOption(
      new Option(
        '--resume [zip]',
        'resume the run in --out, or the newest unfinished one; or unpack the zip of a run, as a browser exports it, to --out ' +
          'and resume it (default: start a new run)',
      ).conflicts(['preset', 'initFrom', 'overwrite', 'extend', 'dryRun']),
    )
    .addOption(
      new Option(
        '--extend <steps>',
        'train the finished run in --out, or the newest finished one, for this many more steps; schedules are laid out ' +
          'again over the new total (default: no extension)',
      )
        .argParser(integer)
        .conflicts(['preset', 'initFrom', 'steps', 'overwrite', 'dryRun']),
    )
    .option('--overwrite', 'replace the run in --out, which is deleted once the first step is done')
    .option('--dry-run', 'print configuration, model, parameters, memory, and the time of a few steps; write nothing')
    .option('--skip-memory-check', "also start a run that exceeds this machine's memory");
  return withCommonOptions(command).action(run);
}

async function run(flags: TrainFlags): Promise<void> {
  const switches: Layer[] = [
    ...(flags.momentumDecay === false
      ? [{ source: '--no-momentum-decay', value: { optimizer: { momentumDecay: null } } }]
      : []),
    ...(flags.skipBad === true ? [{ source: '--skip-bad', value: { skipBad: true } }] : []),
  ];
  const readLayers = () => layersOf(flags, allFieldFlags, switches);
  if (flags.dryRun === true) {
    const { size: ranks = 1, rank = 0 } = findLauncher() ?? {};
    // All ranks would report the same.
    if (rank === 0) await runDry(flags, readLayers(), ranks);
    return;
  }
  const world = await openWorld();
  const isReporting = world.rank === 0;
  const view = isReporting ? viewOf(flags, world.size) : silentView;
  const stop = stopOnEndings({
    warn: view.warn,
    fail: (error) => {
      view.end();
      printError(error, flags);
    },
  });
  let firstStep = 0;
  try {
    const layers = await onEveryRank(groupOf(world), readLayers);
    const result = await trainLayers(layers, {
      world,
      resume: flags.resume ?? false,
      ...(flags.extend !== undefined && { extend: flags.extend }),
      overwrite: flags.overwrite === true,
      skipMemoryCheck: flags.skipMemoryCheck === true,
      signal: stop.signal,
      hooks: {
        ...view.hooks,
        onStart: (started) => {
          firstStep = started.step;
          stop.begin();
          view.hooks.onStart?.(started);
        },
      },
    });
    view.end();
    // Before the world is closed: a launcher may end this process as soon as another one exits with 140 after a signal.
    if (isReporting) {
      if (flags.json === true) printJson({ event: 'end', ...result });
      else printResult(result, firstStep);
    }
    await world.close();
    const signal = stop.by();
    if (result.status === 'stopped' && signal !== undefined) process.exitCode = exitCodeOf(signal);
  } catch (error) {
    view.end();
    const first = stop.uncaught() === undefined ? error : stop.uncaught()!.error;
    if (world.size > 1) await leaveAfter(world, first, isSharedError(error), flags);
    throw first;
  } finally {
    view.end();
    stop.dispose();
  }
  const uncaught = stop.uncaught();
  if (uncaught !== undefined) throw uncaught.error;
}

/**
 * Leaves a world of several ranks after an error. If all ranks have it, they leave together, and rank 0 reports it.
 * Otherwise the others would wait forever: this one reports it and ends them.
 */
async function leaveAfter(world: World, error: unknown, isShared: boolean, flags: TrainFlags): Promise<never> {
  // Before the world is closed: a launcher may end this process as soon as another one exits.
  if (!isShared || world.rank === 0) printError(error, flags);
  if (!isShared) world.abort();
  await world.close();
  process.exit(1);
}

/** How the progress of a training run is displayed. */
interface View {
  readonly hooks: TrainHooks;
  /** Prints a warning about the command, rather than about the run. */
  readonly warn: (text: string) => void;
  /** Restores the terminal. Idempotent. */
  readonly end: () => void;
}

/** JSON Lines with `--json`, the dashboard with `--ui` on a terminal, otherwise a progress line and plain lines. */
function viewOf({ json, ui }: TrainFlags, ranks: number): View {
  if (json === true) return { hooks: jsonHooks(), warn: printWarning, end: () => {} };
  // Launchers merge the outputs of all ranks, and give each its own terminal.
  const isTerminal = process.stdout.isTTY && ranks === 1;
  if (ui === true && isTerminal) {
    const { hooks, note, end } = createDashboard(process.stdout);
    const estimate = createEstimate((...estimated) => note(estimateText(...estimated)));
    return {
      hooks: {
        ...hooks,
        onStart: (started) => {
          estimate.start(started);
          hooks.onStart?.(started);
        },
        onStep: (step) => estimate.step(step),
      },
      warn: note,
      end,
    };
  }
  const progress = createProgress(isTerminal ? process.stdout : { write: (text) => process.stdout.write(text) });
  return { hooks: lineHooks(progress), warn: printWarning, end: () => progress.end() };
}

/** Of ranks other than 0, which reports for all. */
const silentView: View = { hooks: {}, warn: () => {}, end: () => {} };

function jsonHooks(): TrainHooks {
  const estimate = createEstimate((seconds) => printJson({ event: 'estimate', seconds: Math.round(seconds) }));
  return {
    onStart: (started) => {
      estimate.start(started);
      printJson({ event: 'start', ...started });
    },
    onStep: (step) => estimate.step(step),
    onLog: (record) => printJson({ event: 'step', ...record }),
    onSample: (sample) => printJson({ event: 'sample', ...sample }),
    onCheckpoint: (checkpoint) => printJson({ event: 'checkpoint', ...checkpoint }),
    onNote: (text) => printNote(text, { json: true }),
    onPhase: (phase) => printJson({ event: 'phase', ...phase }),
  };
}

function lineHooks(progress: Progress): TrainHooks {
  let totalSteps = 0;
  const estimate = createEstimate((...estimated) => progress.note(estimateText(...estimated)));
  return {
    onStart: (started) => {
      ({ totalSteps } = started);
      estimate.start(started);
      progress.note(
        `${started.model}, ${started.parameters.toLocaleString('en')} parameters, on ${started.engine}; ` +
          `${started.images.toLocaleString('en')} images of ${started.shape.join('x')} from ${started.data}; ` +
          `steps ${started.step} to ${started.totalSteps}, batch size ${started.batchSize}` +
          `${started.ranks === undefined ? '' : ` on ${started.ranks} ranks`}; output folder ${started.out}`,
      );
    },
    onStep: (step, loss) => {
      estimate.step(step);
      progress.tick(step, loss, totalSteps);
    },
    onLog: (record) => progress.step(record, totalSteps),
    onSample: ({ path }) => progress.note(`samples: ${path}`),
    onCheckpoint: ({ path }) => progress.note(`checkpoint: ${path}`),
    onNote: (text) => progress.note(text),
    onPhase: progress.onPhase,
  };
}

const estimateText = (...[seconds, isBudgeted]: Parameters<AnnounceEstimate>): string =>
  `about ${formatDuration(seconds)} for the ${isBudgeted ? "steps within this session's budgets" : 'remaining steps'}, ` +
  'at the speed of the first ones';

/** `firstStep` is the number of steps done before this session. */
function printResult(result: TrainResult, firstStep: number): void {
  const { status, step, totalSteps, seconds } = result;
  const usedUp = (budget: string) =>
    `Reached the ${budget} budget at step ${step} of ${totalSteps}; a checkpoint was saved.`;
  const inAll = firstStep === 0 ? '' : `; ${totalSteps.toLocaleString('en')} in all`;
  const how: Record<TrainResult['status'], string> = {
    finished: `Trained ${stepsText(step - firstStep)} in ${formatDuration(seconds)}${inAll}.`,
    stopped: `Stopped at step ${step} of ${totalSteps}; a checkpoint was saved.`,
    timeBudget: usedUp('time'),
    stepBudget: usedUp('step'),
    imageBudget: usedUp('image'),
  };
  print(how[status]);
  print(`memory:     ${result.peakMb} MiB peak`);
  if (result.samples !== undefined) print(`samples:    ${result.samples}`);
  if (result.report !== undefined) print(`report:     ${result.report}`);
  print(`checkpoint: ${result.checkpoint}`);
  if (result.diverged !== undefined) {
    const { lossOverMinimum, lowestLossCheckpoint } = result.diverged;
    print(`warning:    the final loss is ${lossOverMinimum} times its minimum: training has probably diverged`);
    print(`lowest loss: ${lowestLossCheckpoint} (to restart from it: --init-from, with a lower --lr)`);
  }
  for (const what of result.unwritten ?? []) print(`not written: ${what}`);
  const { out } = result;
  if (status !== 'finished') print(`next:       ${dmCommand(['train'], { resume: true, out })}`);
  else {
    print(
      `next:       ${dmCommand(['sample'], { run: out, out: result.isOfLatents === true ? 'samples.npz' : 'samples.png' })}`,
    );
    print(`            ${dmCommand(['train'], { extend: '<steps>', out })}`);
  }
}

const stepsText = (count: number): string => `${count.toLocaleString('en')} ${count === 1 ? 'step' : 'steps'}`;

/** A dry run answers this many milliseconds after the start of the process, measured or not. */
const dryRunMs = 17_000;

async function runDry(flags: TrainFlags, layers: readonly Layer[], ranks: number): Promise<void> {
  const isJson = flags.json === true;
  // Built next to this file's bundle.
  const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
  const result = await dryRun(layers, {
    skipMemoryCheck: flags.skipMemoryCheck === true,
    ranks,
    onPlan: isJson ? ({ parameters, memoryBytes }) => printJson({ event: 'plan', parameters, memoryBytes }) : printPlan,
    measure: (config) => measureApart(cli, config, Math.max(1000, dryRunMs - performance.now())),
  });
  if (isJson) printJson({ event: 'dryRun', ...result });
  else printMeasured(result);
}

function printPlan({ config, model, parameters, memoryBytes, stateBytes, checkpointBytes }: TrainingPlan): void {
  print([...JSON.stringify(config, null, 2).split('\n'), '', ...model.split('\n'), '']);
  print(`parameters: ${parameters.toLocaleString('en')}`);
  print(
    `memory:     at least ${formatGibibytes(memoryBytes)}, ${formatMebibytes(stateBytes)} of it training state (estimate)`,
  );
  print(
    `checkpoint: ${formatMebibytes(checkpointBytes)} (computed), the newest ${config.checkpoints.keepLast} are kept`,
  );
}

function printMeasured({ config, measured, seconds, notMeasured }: DryRun): void {
  if (measured === undefined) {
    print(`step:       not measured: ${notMeasured}; to measure it: ${dmCommand(['bench'])} with the same options`);
  } else {
    print(`engine:     ${measured.engine}, ${JSON.stringify(measured.info)}`);
    print(
      `step:       ${measured.stepMs.median.toFixed(0)} ms, ${measured.imagesPerSecond.toPrecision(3)} images/s (measured: ${measured.steps} steps)`,
    );
    print(
      `all steps:  ${formatDuration(seconds!)} for ${config.totalSteps} steps at that speed (estimate), excluding samples and evaluations`,
    );
    print(`peak:       ${Math.round(measured.peakMb)} MiB of memory during these steps (measured)`);
  }
  print('Nothing was written.');
}
