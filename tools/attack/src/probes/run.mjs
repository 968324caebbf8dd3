// Runs all probes, two at a time, most of them in processes that serve several.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dm } from '../dm.mjs';
import { tinyConfig, writeJson, writeTinyData } from '../tiny.mjs';
import { damage, endings, locks, totalSteps, trainings } from './durability.mjs';
import { bombs, injections, lines, links, longMessages, sharing, sizes, specialFiles } from './inputs.mjs';
import { runProbe } from './probe.mjs';
import { createSharedDm } from './shared.mjs';

/** @typedef {{ kind: string, inputs: number, faults: string[] }} KindResult */

const groups = [damage, endings, locks, trainings];
const hostile = [links, injections, longMessages, bombs, specialFiles, sizes, lines, sharing];

/** All probes. */
function allProbes() {
  return [...groups, ...hostile].flatMap((group) => group());
}

/**
 * @param {{ only?: RegExp, onProbe?: (line: string) => void }} [options] `only` selects kinds or names
 * @returns {Promise<KindResult[]>}
 */
export async function probeAll({ only, onProbe = () => {} } = {}) {
  /** @type {Map<string, KindResult>} */
  const results = new Map();
  const probes = allProbes().filter(({ kind, name }) => only?.test(`${kind}: ${name}`) !== false);
  if (probes.length === 0) return [];
  const folder = mkdtempSync(join(tmpdir(), 'dm-attack-run-'));
  const run = await prepareRun(folder);
  const lane = async () => {
    const shared = createSharedDm();
    for (let probe = probes.shift(); probe !== undefined; probe = probes.shift()) {
      const began = performance.now();
      const faults = await findFaults(probe, run, shared, onProbe);
      const result = results.get(probe.kind) ?? { kind: probe.kind, inputs: 0, faults: [] };
      results.set(probe.kind, result);
      result.inputs++;
      result.faults.push(...faults.map((fault) => `${probe.name}: ${fault}`));
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      onProbe(
        `${probe.kind}: ${probe.name}: ${faults.length === 0 ? 'right' : `FAULT ${faults.join('; ')}`} (${seconds} s)`,
      );
    }
    shared.end();
  };
  await Promise.all([lane(), lane()]);
  rmSync(folder, { recursive: true, force: true });
  return [...results.values()].toSorted((a, b) => (a.kind < b.kind ? -1 : 1));
}

/**
 * A fault in a shared process counts if it shows in a new one too.
 *
 * @param {import('./probe.mjs').Probe} probe
 * @param {string} run
 * @param {import('./shared.mjs').SharedDm} shared
 * @param {(line: string) => void} onProbe
 */
async function findFaults(probe, run, shared, onProbe) {
  const needsProcess = probe.alone === true || (probe.outputs ?? probe.fileLimitKib ?? probe.during) !== undefined;
  if (!needsProcess) {
    const seen = await runProbe(probe, { run, shared });
    if (seen.length === 0) return [];
    onProbe(`${probe.kind}: ${probe.name}: again in a new process, since in a shared one: ${seen.join('; ')}`);
  }
  return runProbe(probe, { run });
}

/** A run of 12 steps that was stopped after 6, with checkpoints of the steps 2, 4, and 6. @param {string} folder */
async function prepareRun(folder) {
  const fields = tinyConfig(await writeTinyData(folder), totalSteps);
  const config = writeJson(join(folder, 'config.json'), { ...fields, checkpoints: { every: 2, keepLast: 3 } });
  const run = join(folder, 'run');
  await dm(['train', '--config', config, '--out', run, '--step-budget', '6']);
  // Without a step budget the resumed run finishes.
  const saved = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'));
  writeJson(join(run, 'config.json'), { ...saved, budgets: { ...saved.budgets, steps: null } });
  return run;
}
