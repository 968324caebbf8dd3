/** What all ranks must agree on: the same data and program at the start, the same weights at every checkpoint. */
import { createHash } from 'node:crypto';
import type { Engine, StateHandle } from '@dm/ops';
import { UserError } from '../errors.js';
import { environment } from '../machine/environment.js';
import type { Group } from '../setup/group.js';
import { stateEntries } from '../setup/state-table.js';
import type { TrainingSetup } from '../setup/training-setup.js';

/**
 * Checks that all ranks have the same data and the same versions.
 *
 * @throws {UserError} `RANKS_DIFFER` on all ranks otherwise; the message names two ranks and their values
 */
export async function checkSameInputs(group: Group, engine: Engine, dataSha256: string): Promise<void> {
  const { node, dm } = environment() as Readonly<Record<string, string>>;
  await checkSame(group, {
    'hash of the data': dataSha256,
    'version of Node': node,
    'version of dm': dm,
    engine: engine.name,
  });
}

/**
 * Checks that all ranks have the same weights, averages and optimizer state after `step` steps.
 *
 * @throws {UserError} `RANKS_DIFFER` on all ranks otherwise
 */
export async function checkSameState(setup: TrainingSetup, state: StateHandle, step: number): Promise<void> {
  const { group } = setup;
  if (group.size === 1) return;
  const names = stateEntries(setup).flatMap(({ name, files }) => (files.length > 0 ? [name] : []));
  const hashes: Record<string, string> = {};
  for (const name of names) {
    const { data } = (await state.read([name]))[name]!;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    hashes[`hash of ${name} at step ${step}`] = createHash('sha256').update(bytes).digest('hex');
  }
  await checkSame(group, hashes);
}

async function checkSame(group: Group, own: Readonly<Record<string, string | undefined>>): Promise<void> {
  const all = await group.exchange(() => own);
  for (const [what, expected] of Object.entries(all[0]!)) {
    const other = all.findIndex((each) => each[what] !== expected);
    if (other === -1) continue;
    const error = new UserError(
      `The ranks differ in the ${what}: ${group.nameOf(0)} has ${expected}, ${group.nameOf(other)} has ${all[other]![what]}. ` +
        'All hosts need the same data, the same versions, and processors of the same kind.',
      { code: 'RANKS_DIFFER' },
    );
    await group.fail(error);
  }
}
