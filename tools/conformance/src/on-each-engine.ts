import type { Engine } from '@dm/ops';
import { describe } from 'vitest';
import { startEngines } from './engines.js';

const { reference, others } = await startEngines();

/**
 * Runs a suite on every installed engine except the reference, which the suite receives for comparison.
 * `engines.test.ts` reports the engines that are not installed.
 */
export function onEachEngine(title: string, suite: (engine: Engine, reference: Engine) => void) {
  describe.each(others)(`${title} on $name`, ({ engine }) => {
    suite(engine, reference);
  });
}
