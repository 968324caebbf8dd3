import type { Engine } from '@dm/ops';
import { describe, it } from 'vitest';
import { startEngines } from './engines.js';

const { reference, others, missing } = await startEngines();

for (const { name, reason } of missing) console.warn(`SKIPPED on ${name}: ${reason}`);

/**
 * One suite on every engine of this machine but the reference, which it is given to compare with. An engine that is
 * not installed leaves one skipped test that says so.
 */
export function onEachEngine(title: string, suite: (engine: Engine, reference: Engine) => void) {
  describe.each(others.map((engine) => ({ name: engine.name, engine })))(`${title} on $name`, ({ engine }) => {
    suite(engine, reference);
  });
  for (const { name, reason } of missing) {
    // oxlint-disable-next-line vitest/expect-expect -- it is there to be seen among the skipped
    it(`${title} on ${name}`, ({ skip }) => skip(reason));
  }
}
