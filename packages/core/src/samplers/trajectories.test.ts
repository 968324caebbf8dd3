/**
 * Whole trajectories against diffusers, NVlabs/edm and k-diffusion: tools/parity/schedulers_fixture.py and
 * samplers_fixture.py.
 */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { openEagerEngine, float32, type Tensors } from '@dm/ops';
import { beforeAll, expect, test } from 'vitest';
import finals from '../fixtures/samplers.json' with { type: 'json' };
import trajectories from '../fixtures/trajectories.json' with { type: 'json' };
import { edmPath } from '../levels/edm.js';
import { flowLevel, flowPath, type FlowPathOptions } from '../levels/flow.js';
import type { NoisePath } from '../levels/level.js';
import { discretePath, type DiscretePathOptions } from '../levels/path.js';
import { inputScale, type Prediction } from '../process/prediction.js';
import { type NoiseScheduleConfig, noiseScheduleFromConfig } from '../schedules/registry.js';
import { createSampler } from './create-sampler.js';
import type { X0Clipping } from './x0-clipping.js';
import { type SamplerConfig, samplerFromConfig } from './registry.js';
import { withChurn, samplerStep, stageInputs } from './step.js';

interface Case {
  readonly sampler: SamplerConfig;
  readonly prediction: Prediction;
  readonly schedule?: NoiseScheduleConfig;
  /** One of these says which levels are gone through. */
  readonly path?: DiscretePathOptions;
  readonly edm?: { readonly steps: number };
  readonly flow?: FlowPathOptions;
  readonly flowTimes?: readonly number[];
  readonly dependsOnT: boolean;
  readonly learned?: boolean;
  readonly clip?: number;
  readonly threshold?: { readonly quantile: number; readonly max: number };
  readonly init: readonly number[];
  /** x after each evaluation, or only at the end. */
  readonly trajectory?: readonly (readonly number[])[];
  readonly final?: readonly number[];
}

const SHAPE = [2, 2, 3, 1];
const each = (f: (j: number) => number): tf.Tensor =>
  tf.tensor(
    Array.from({ length: 12 }, (_, j) => f(j)),
    SHAPE,
  );
const noise = (k: number): tf.Tensor =>
  each((j) => 1.2 * Math.sin(1.7 * j + 2.3 * k + 0.5) + 0.4 * Math.cos(j * j + k));

function network(x: tf.Tensor, t: number, { dependsOnT, learned }: Case): tf.Tensor {
  const shift = dependsOnT ? 0.3 * Math.sin(0.003 * t) : 0;
  const mean = tf.tanh(
    tf.add(
      tf.add(tf.mul(x, 0.7), shift),
      each((j) => 0.4 * Math.cos(j)),
    ),
  );
  return learned
    ? tf.concat(
        [
          mean,
          tf.sin(
            tf.add(
              x,
              each((j) => j),
            ),
          ),
        ],
        -1,
      )
    : mean;
}

function pathOf({ schedule, path, edm, flow, flowTimes }: Case): NoisePath {
  if (edm) return edmPath(edm);
  if (flow) return flowPath(flow);
  if (flowTimes) return { levels: flowTimes.map((s) => flowLevel(s)), initialScale: 1 };
  return discretePath(noiseScheduleFromConfig(schedule!), path!);
}

function limitOf({ clip, threshold }: Case): X0Clipping {
  return { ...(clip === undefined ? {} : { clip }), ...(threshold ? { threshold } : {}) };
}

function run(given: Case): number[][] {
  const { prediction } = given;
  const limit = limitOf(given);
  const plan = samplerFromConfig(given.sampler).plan(pathOf(given), prediction);
  let drawn = 0;
  let x: tf.Tensor = tf.tensor([...given.init], SHAPE);
  let history: Tensors = Object.fromEntries(plan.history.map((name) => [name, tf.zeros(SHAPE)]));
  return plan.stages.map((stage, k) => {
    const inputs = Object.fromEntries(
      Object.entries(stageInputs(plan, stage, prediction)).map(([name, a]) => [name, tf.tensor(a.data, [...a.shape])]),
    );
    // EDM's sampler draws noise at the beginning of every step, needed or not.
    const begins = k === plan.stages.findIndex((s) => s.step === stage.step);
    if (plan.churn && begins) x = withChurn(x, noise(drawn++), inputs['churn']!);
    const output = network(tf.mul(x, inputScale(prediction, stage.level)), stage.level.t, given);
    const fresh = plan.noise ? { noise: noise(k) } : {};
    const next = samplerStep(plan, { x, output, history, inputs, ...fresh }, limit);
    x = next.x;
    history = next.history;
    return [...x.dataSync()];
  });
}

beforeAll(() => tf.setBackend('cpu'));

const tolerance = { rtol: 1e-4, relativeTo: 'largest', floor: 1 } as const;

const cases = [...trajectories, ...finals] as unknown as Case[];
const named = cases.map((given, i) => {
  const { sampler, prediction, schedule, path, edm, flow, flowTimes, clip, threshold } = given;
  const levels = path?.timesteps ? { ...path, timesteps: path.timesteps.length } : (path ?? edm ?? flow ?? flowTimes);
  return [`${i} ${JSON.stringify({ sampler, prediction, schedule, levels, clip, threshold })}`, given] as const;
});

test.each(named)('%s', (_, given) => {
  const trajectory = run(given);
  const expected = given.trajectory ?? [given.final!];
  const from = trajectory.length - expected.length;
  expect(from).toBe(given.trajectory ? 0 : trajectory.length - 1);
  expected.forEach((wanted, k) => {
    expect(trajectory[from + k]!, `evaluation ${k}`).toBeAllClose(wanted, tolerance);
  });
});

const deterministic = named.filter(([, given]) => {
  const plan = samplerFromConfig(given.sampler).plan(pathOf(given), given.prediction);
  return !plan.noise && !plan.churn;
});

test.each(deterministic)('the loop of createSampler ends there as well: %s', async (_, given) => {
  const engine = await openEagerEngine('tfjs-cpu');
  const path = pathOf(given);
  const sampler = createSampler({
    engine,
    predict: (_state, x, t) => {
      const shift = given.dependsOnT ? tf.mul(tf.sin(tf.mul(tf.reshape(t, [-1, 1, 1, 1]), 0.003)), 0.3) : tf.scalar(0);
      return tf.tanh(
        tf.add(
          tf.add(tf.mul(x, 0.7), shift),
          each((j) => 0.4 * Math.cos(j)),
        ),
      );
    },
    prediction: given.prediction,
    sampler: samplerFromConfig(given.sampler),
    path,
    shape: SHAPE.slice(1),
    ...limitOf(given),
  });
  const initialNoise = float32(
    given.init.map((value) => value / path.initialScale),
    SHAPE,
  );
  const { data } = await sampler.sample({ state: {}, seed: 0, n: 2, initialNoise });
  const wanted = given.trajectory?.at(-1) ?? given.final!;
  expect(data).toBeAllClose(wanted, tolerance);
  await sampler.dispose();
  await engine.dispose();
});
