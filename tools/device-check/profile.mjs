// Profiles training steps on a device that measures its own times (WebGPU with timestamp queries): GPU time per
// operator and per shader. Reads a JSON object from standard input: { case, optimizer, options, threads, steps }, as
// contenders/train.mjs. Prints one JSON object.
import { parseProfile } from '@dm/jit';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEngine } from '../bench/contenders/engine.mjs';
import { trainingOf } from '../bench/contenders/training.mjs';

const request = JSON.parse(readFileSync(0, 'utf8'));
const training = trainingOf(request.case, request.optimizer);
const folder = mkdtempSync(join(tmpdir(), 'dm-device-profile-'));
/** @type {number[]} */
const ms = [];
try {
  const { engine } = await openEngine('onnx', request.threads, {
    ...request.options,
    profilePrefix: join(folder, 'session'),
  });
  const step = engine.compile(training.program, { name: 'training step' });
  const state = await step.load(training.state());
  for (let i = 0; i < request.steps; i++) {
    const start = performance.now();
    await step.run(state, { ...training.batch(0), ...training.scalars(i) });
    ms.push(performance.now() - start);
  }
  await engine.dispose();
  const files = readdirSync(folder).map((name) => join(folder, name));
  console.log(
    JSON.stringify(
      summarize(
        files.map((file) => readFileSync(file, 'utf8')),
        ms,
      ),
    ),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * @typedef {object} Event An event of ONNX Runtime's profile. Category `Api` is one dispatch on the GPU, named
 *   `<node>&<op>&<shader>`.
 * @property {string} cat
 * @property {string} name
 * @property {number} dur Microseconds.
 * @property {{ shapes?: string }} args
 */

/**
 * Costs per step, over all steps. A node's operations count for each shader that it dispatches.
 *
 * @param {readonly string[]} profiles One per session.
 * @param {readonly number[]} stepMs
 */
function summarize(profiles, stepMs) {
  const steps = stepMs.length;
  const nodes = profiles.flatMap((json) => parseProfile(json).calls.flatMap((call) => call.nodes));
  const flops = new Map(nodes.map((node) => [node.name, node.flops]));
  /** What the CPU took to submit the dispatches. */
  const submitMs = nodes.reduce((sum, node) => sum + node.ms / steps, 0);
  /** @type {Map<string, { op: string, dispatches: number, gpuMs: number, gflop: number }>} */
  const ops = new Map();
  /** @type {Map<string, { op: string, shader: string, shapes: string, dispatches: number, gpuMs: number, gflop: number }>} */
  const shaders = new Map();
  /** Nodes whose operations were counted, of which one may make several dispatches. @type {Set<string>} */
  const counted = new Set();
  for (const { cat, name, dur, args } of profiles.flatMap((json) => /** @type {Event[]} */ (JSON.parse(json)))) {
    if (cat !== 'Api') continue;
    const [node = '', op = '', shader = ''] = name.split('&');
    const shapes = args.shapes ?? '';
    const gflop = (flops.get(node) ?? 0) / 1e9;
    const [one, each] = [
      ops.get(op) ?? { op, dispatches: 0, gpuMs: 0, gflop: 0 },
      shaders.get(`${op} ${shader} ${shapes}`) ?? { op, shader, shapes, dispatches: 0, gpuMs: 0, gflop: 0 },
    ];
    for (const cost of [one, each]) {
      cost.dispatches += 1 / steps;
      cost.gpuMs += dur / 1000 / steps;
    }
    if (!counted.has(node)) one.gflop += gflop;
    counted.add(node);
    each.gflop += gflop / steps;
    ops.set(op, one);
    shaders.set(`${op} ${shader} ${shapes}`, each);
  }
  const sorted = (/** @type {Iterable<{ gpuMs: number }>} */ list) =>
    [...list].toSorted((a, b) => b.gpuMs - a.gpuMs).map((entry) => rounded(entry));
  const all = [...ops.values()];
  return {
    steps,
    stepMs: stepMs.map((value) => Number(value.toFixed(2))),
    gpuMs: all.reduce((sum, { gpuMs }) => sum + gpuMs, 0),
    submitMs,
    dispatches: all.reduce((sum, { dispatches }) => sum + dispatches, 0),
    gflop: all.reduce((sum, { gflop }) => sum + gflop, 0),
    ops: sorted(all),
    shaders: sorted(shaders.values()).slice(0, 40),
  };
}

/** @template {Record<string, any>} T @param {T} entry @returns {T} */
function rounded(entry) {
  return /** @type {T} */ (
    Object.fromEntries(
      Object.entries(entry).map(([key, value]) => [key, typeof value === 'number' ? Number(value.toFixed(3)) : value]),
    )
  );
}
