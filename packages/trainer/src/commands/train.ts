/** `dm train`. */
import { Command } from 'commander';
import { createDashboard } from '../terminal/dashboard.js';
import { createProgress, formatDuration, type Progress } from '../terminal/progress.js';
import { presets } from '../config/presets.js';
import type { Layer } from '../config/resolve.js';
import { formatMebibytes } from '../files/disk.js';
import { dryRun, type DryRun } from '../bench/dry-run.js';
import type { TrainHooks } from '../session/hooks.js';
import { trainLayers, type TrainResult } from '../train.js';
import { exitCodeOf, stopOnEndings } from '../terminal/endings.js';
import { print, printError, printJson, printNote, printWarning } from '../terminal/output.js';
import { withCommonOptions, type CommonFlags } from './common.js';
import { allFieldFlags, layersOf, withConfigOptions, type ConfigFlags } from './config-flags.js';

type TrainFlags = CommonFlags &
  ConfigFlags & {
    readonly momentumDecay?: boolean;
    readonly skipBad?: boolean;
    readonly ui?: boolean;
    readonly resume?: boolean;
    readonly overwrite?: boolean;
    readonly dryRun?: boolean;
  };

export function trainCommand(): Command {
  const command = new Command('train').description(
    `Train a model. Presets: ${Object.keys(presets).join(', ')}. What is left out comes from the preset.`,
  );
  withConfigOptions(command, allFieldFlags)
    .option('--no-momentum-decay', 'keep the momentum (and the learning rate) constant')
    .option('--skip-bad', 'leave images out that cannot be decoded, and name them, instead of stopping at the first')
    .option('--ui', 'on a terminal: a dashboard of a few lines in place of the one line')
    .option('--resume', 'go on with the run in the folder, from its newest valid checkpoint')
    .option('--overwrite', 'remove the run in the folder first')
    .option('--dry-run', 'print configuration, model, and time and memory of a few steps that are run; write nothing');
  return withCommonOptions(command).action(run);
}

async function run(flags: TrainFlags): Promise<void> {
  const switches: Layer[] = [
    ...(flags.momentumDecay === false
      ? [{ source: '--no-momentum-decay', value: { optimizer: { momentumDecay: null } } }]
      : []),
    ...(flags.skipBad === true ? [{ source: '--skip-bad', value: { skipBad: true } }] : []),
  ];
  if (flags.dryRun === true) {
    printDryRun(await dryRun(layersOf(flags, allFieldFlags, switches)), flags.json === true);
    return;
  }
  const view = viewOf(flags);
  const stop = stopOnEndings({
    warn: view.warn,
    fail: (error) => {
      view.end();
      printError(error, flags);
    },
  });
  try {
    const result = await trainLayers(layersOf(flags, allFieldFlags, switches), {
      resume: flags.resume === true,
      overwrite: flags.overwrite === true,
      signal: stop.signal,
      hooks: {
        ...view.hooks,
        onStart: (started) => {
          stop.begin();
          view.hooks.onStart?.(started);
        },
      },
    });
    view.end();
    if (flags.json === true) printJson({ event: 'end', ...result });
    else printResult(result);
    const signal = stop.by();
    if (result.status === 'stopped' && signal !== undefined) process.exitCode = exitCodeOf(signal);
  } catch (error) {
    throw stop.uncaught() === undefined ? error : stop.uncaught()!.error;
  } finally {
    view.end();
    stop.dispose();
  }
  const uncaught = stop.uncaught();
  if (uncaught !== undefined) throw uncaught.error;
}

/** How a training is shown. */
interface View {
  readonly hooks: TrainHooks;
  /** Says what concerns the command, not the run. */
  readonly warn: (text: string) => void;
  /** Leaves the terminal as it was; may be called again. */
  readonly end: () => void;
}

/** JSON lines where asked for, the dashboard where asked for and on a terminal; else a live line there, and plain lines. */
function viewOf({ json, ui }: TrainFlags): View {
  if (json === true) return { hooks: jsonHooks, warn: printWarning, end: () => {} };
  if (ui === true && process.stdout.isTTY) {
    const { hooks, note, end } = createDashboard(process.stdout);
    return { hooks, warn: note, end };
  }
  const progress = createProgress(process.stdout);
  return { hooks: lineHooks(progress), warn: printWarning, end: () => progress.end() };
}

const jsonHooks: TrainHooks = {
  onStart: (started) => printJson({ event: 'start', ...started }),
  onLog: (record) => printJson({ event: 'step', ...record }),
  onSample: (sample) => printJson({ event: 'sample', ...sample }),
  onCheckpoint: (checkpoint) => printJson({ event: 'checkpoint', ...checkpoint }),
  onNote: (text) => printNote(text, { json: true }),
};

function lineHooks(progress: Progress): TrainHooks {
  return {
    onStart: (started) =>
      progress.note(
        `${started.model}, ${started.parameters.toLocaleString('en')} parameters, on ${started.engine}; ` +
          `${started.images.toLocaleString('en')} images of ${started.shape.join('x')} from ${started.data}; ` +
          `steps ${started.step} to ${started.totalSteps} at batch ${started.batchSize}; into ${started.out}`,
      ),
    onLog: (record, totalSteps) => progress.step(record, totalSteps),
    onSample: ({ path }) => progress.note(`samples: ${path}`),
    onCheckpoint: ({ path }) => progress.note(`checkpoint: ${path}`),
    onNote: (text) => progress.note(text),
  };
}

function printResult(result: TrainResult): void {
  const { status, step, totalSteps, seconds } = result;
  const usedUp = (budget: string) =>
    `The ${budget} budget is used up at step ${step} of ${totalSteps}; everything is saved.`;
  const how: Record<TrainResult['status'], string> = {
    finished: `Trained ${totalSteps} steps in ${formatDuration(seconds)}.`,
    stopped: `Stopped at step ${step} of ${totalSteps}; everything is saved.`,
    timeBudget: usedUp('time'),
    stepBudget: usedUp('step'),
    imageBudget: usedUp('image'),
  };
  print(how[status]);
  print(`memory:     ${result.peakMb} MiB at the peak`);
  if (result.samples !== undefined) print(`samples:    ${result.samples}`);
  if (result.report !== undefined) print(`report:     ${result.report}`);
  print(`checkpoint: ${result.checkpoint}`);
  if (result.diverged !== undefined) {
    const { lossOverMinimum, lowestLossCheckpoint } = result.diverged;
    print(`warning:    the loss ended at ${lossOverMinimum} times its minimum: the training has probably diverged`);
    print(`lowest loss: ${lowestLossCheckpoint} (to start again from it: --init-from, with a lower --lr)`);
  }
  for (const what of result.unwritten ?? []) print(`not written: ${what}`);
  const next =
    status === 'finished' ? `dm sample --run ${result.out} --out samples.png` : `dm train --resume --out ${result.out}`;
  print(`next:       ${next}`);
}

function printDryRun(result: DryRun, asJson: boolean): void {
  if (asJson) {
    printJson({ event: 'dryRun', ...result });
    return;
  }
  const { config, model, stateBytes, checkpointBytes, measured, seconds } = result;
  print([...JSON.stringify(config, null, 2).split('\n'), '', ...model.split('\n'), '']);
  print(`engine:     ${measured.engine}, ${JSON.stringify(measured.info)}`);
  print(
    `step:       ${measured.stepMs.median.toFixed(0)} ms, ${measured.imagesPerSecond.toPrecision(3)} images/s (measured: ${measured.steps} steps)`,
  );
  print(
    `all steps:  ${formatDuration(seconds)} for ${config.totalSteps} at that speed (estimate), without samples and evaluations`,
  );
  print(
    `memory:     ${Math.round(measured.peakMb)} MiB at the peak of these steps (measured), ${formatMebibytes(stateBytes)} of it state (computed)`,
  );
  print(`checkpoint: ${formatMebibytes(checkpointBytes)} (computed), ${config.checkpoints.keepLast} are kept`);
  print('Nothing was written.');
}
