/**
 * Extending a finished run by more steps. Weights, moments, averages, and the order of the data continue. What is scaled to
 * the length of the run (curriculum, learning rate schedule, momentum decay) is laid out again over the new length, and
 * continues at the step that the run has reached. So the result differs from a run of the new length.
 */
import { dmCommand } from '@dm/files';
import type { Checkpoint } from './content.js';
import type { Extension, TrainingHistory } from '../config/saved-config.js';
import { UserError } from '../errors.js';
import type { RunFolder } from '../run/run-folder.js';
import { createOptimizer } from '../setup/optimizers.js';
import type { TrainingSetup } from '../setup/training-setup.js';

/**
 * The extension of a run that had `totalSteps`, from its newest checkpoint.
 *
 * @throws {UserError} `RESUME_MISMATCH` if the run is not finished
 */
export function extensionOf(run: RunFolder, totalSteps: number, newest: Checkpoint | undefined): Extension {
  const step = newest?.manifest.step ?? 0;
  if (newest !== undefined && step === totalSteps) return { totalSteps, configSha256: newest.manifest.configSha256 };
  throw new UserError(
    `${run.path} has done ${step} of ${totalSteps} steps, and only a finished run can be extended. Finish it first: ` +
      dmCommand(['train'], { resume: true, out: run.path }),
    { code: 'RESUME_MISMATCH' },
  );
}

/** The rule and its numbers, for the user. */
export function describeExtension({ config, layout, lr, momentum }: TrainingSetup, { totalSteps }: Extension): string {
  const before = createOptimizer(config.optimizer, totalSteps, layout);
  const change = (from: number, to: number) => `${format(from)} -> ${format(to)}`;
  return (
    `extended from ${totalSteps} to ${config.totalSteps} steps: weights, moments, and averages continue; curriculum, ` +
    `learning rate schedule, and momentum decay are laid out again over ${config.totalSteps} steps and continue at step ` +
    `${totalSteps} (learning rate ${change(before.lr(totalSteps - 1), lr(totalSteps))}, ` +
    `beta1 ${change(before.momentum(totalSteps - 1), momentum(totalSteps))})`
  );
}

function format(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** Reports a resumed checkpoint from before the last extension: its steps up to there are trained under the new schedules. */
export function noteOfEarlierSteps({ manifest }: Checkpoint, { extensions = [] }: TrainingHistory): string | undefined {
  const last = extensions.at(-1);
  if (last === undefined || manifest.step >= last.totalSteps) return undefined;
  return (
    `continuing from step ${manifest.step}, before the run was extended at step ${last.totalSteps}: the steps in between ` +
    'are trained again, with the schedules of the extended run'
  );
}
