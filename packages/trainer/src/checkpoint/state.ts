/** The initial training state. */
import { readRegularFile } from '@dm/files';
import { parseSafetensors } from '@dm/models';
import type { Arrays } from '@dm/ops';
import { explained, readWeights, weightsState } from './pack-state.js';
import { resolveCheckpoint, runOrCheckpoint } from './resolve.js';
import { messageOf, UserError } from '../errors.js';
import { emaFile, startingState } from '../setup/state-table.js';
import type { TrainingSetup } from '../setup/training-setup.js';

/**
 * The initial state of a run: weights from the seed, or from `config.initFrom`; see `startingState`. `onNote` receives
 * messages about skipped checkpoints.
 *
 * @throws {Error} if the weights are missing or do not fit the model
 */
export function initialState(setup: TrainingSetup, onNote?: (text: string) => void): Arrays {
  const { initFrom } = setup.config;
  if (initFrom === undefined) return startingState(setup);
  if (initFrom.endsWith('.safetensors'))
    return startingState(
      setup,
      explained(initFrom, () => weightsState(setup, readTensorFile(initFrom))),
    );
  return startingState(
    setup,
    readWeights(setup, resolveCheckpoint(runOrCheckpoint(initFrom), [emaFile], onNote), 'ema'),
  );
}

function readTensorFile(path: string): Arrays {
  let bytes: Uint8Array;
  try {
    bytes = readRegularFile(path, { maxBytes: Infinity });
  } catch (error) {
    throw new UserError(`Cannot read the initial weights: ${messageOf(error)}`, {
      code: 'CHECKPOINT_INVALID',
    });
  }
  return parseSafetensors(bytes).tensors;
}
