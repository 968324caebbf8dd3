/** Measures the validation loss during training, and writes validation.json. */
import type { Engine, StateHandle } from '@dm/ops';
import type { Unwritten } from '../../files/unwritten.js';
import type { RunFolder } from '../../run/run-folder.js';
import type { OpenedTrainingSetup } from '../../setup/open-training-setup.js';
import { inPhase, type OnPhase } from '../../setup/phases.js';
import { fromRankZero } from '../../setup/group.js';
import { isSameSetting } from '../same-setting.js';
import { computeBounds, mostValuesInTraining, type Bounds } from './bounds.js';
import { readValidation, writeValidation } from './file.js';
import { createValidationSet, createValidator, openValidationData, type ValidationLoss } from './validator.js';

export interface RunValidator {
  /** Writes validation.json. */
  begin(): void;
  /** The loss of the averaged weights in the training state. */
  measure(state: StateHandle): Promise<ValidationLoss>;
  dispose(): Promise<void>;
}

export interface RunValidatorOptions {
  readonly firstStep: number;
  readonly unwritten: Unwritten;
  readonly onNote?: (text: string) => void;
  readonly onPhase?: OnPhase;
}

/**
 * Opens the validation images, and computes the bounds unless validation.json of a resumed run has them. All ranks call it.
 *
 * @throws {UserError} `DATA_MISMATCH` if the data has no images for validation
 */
export async function openRunValidator(
  run: RunFolder,
  setup: OpenedTrainingSetup,
  engine: Engine,
  { firstStep, unwritten, onNote, onPhase }: RunValidatorOptions,
): Promise<RunValidator> {
  const { config, dataset, group, averages } = setup;
  const heldOut = await inPhase(onPhase, 'opening validation images', () => openValidationData(config));
  const set = await createValidationSet(setup, heldOut, config.validation);
  const { setting } = set;
  const written = group.rank === 0 && firstStep > 0 ? readValidation(run.validation) : undefined;
  const isSame = written !== undefined && isSameSetting(written.setting, setting);
  if (written !== undefined && !isSame) {
    onNote?.(
      `The validation loss is measured on other images or draws from step ${firstStep} on; earlier lines of the log are ` +
        'not comparable.',
    );
  }
  const values = dataset.shape.reduce((product, size) => product * size, 1);
  const isSmall = values <= mostValuesInTraining;
  const { bounds: isAsked } = config.validation;
  if (isAsked && !isSmall) {
    onNote?.(
      `Images of ${values} values: the Wiener filter would take minutes, so no bounds of the validation loss are computed. ` +
        'dm eval bound computes them.',
    );
  }
  const bounds = await fromRankZero(group, async (): Promise<Bounds | null> => {
    if (!isAsked || !isSmall) return null;
    if (isSame && written.bounds !== null) return written.bounds;
    return inPhase(onPhase, 'computing bounds of the validation loss', () => computeBounds(dataset, set, engine));
  });
  const validator = createValidator(setup, engine, averages[0]!.name, set, { group });
  return {
    begin() {
      if (group.rank !== 0) return;
      unwritten.attempt('validation.json', 'to compute its bounds: dm eval bound', () =>
        writeValidation(run.validation, { setting, bounds }),
      );
    },
    measure: (state) => validator.measure(state),
    dispose: () => validator.dispose(),
  };
}
