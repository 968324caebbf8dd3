// Ten steps of every optimizer on a quadratic with curvatures from 0.1 to 10, on every engine.
import { type Arrays, type Engine, flatLayout, float32, type Program, toScalars } from '@dm/ops';
import {
  adam,
  adamW,
  adEMAMix,
  lion,
  momentumDecay,
  muon,
  type Optimizer,
  scheduleFreeAdamW,
  sgd,
  type StepSchedule,
} from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { onEachEngine } from './on-each-engine.js';

const steps = 10;
const layout = flatLayout([
  { name: 'weight', shape: [6, 4], group: 'matrix' },
  { name: 'bias', shape: [4], group: 'vector' },
]);
const vector = (value: (i: number) => number) =>
  float32(Float32Array.from({ length: layout.size }, (_, i) => value(i)));
const curvature = vector((i) => 10 ** ((i % 5) / 2 - 1));
const start = vector((i) => Math.cos(3 * i + 1));

const lr: StepSchedule = (step) => 0.02 / (1 + step);
const decayed = momentumDecay({ lr: 0.01, totalSteps: 2 * steps });
const optimizers: Readonly<Record<string, Optimizer>> = {
  'AdamW with momentum decay': adamW({ ...decayed, weightDecay: 0.1 }),
  Adam: adam({ lr }),
  'SGD with momentum decay': sgd(decayed),
  'Nesterov SGD': sgd({ lr, nesterov: true, form: 'heavyBall' }),
  Lion: lion({ lr }),
  AdEMAMix: adEMAMix({ lr }),
  'schedule-free AdamW': scheduleFreeAdamW({ lr: 0.01, warmupSteps: 3 }),
  Muon: muon({ lr, layout, adam: { lr: 0.003 } }),
};

/** Minimizes sum_i h_i p_i^2 / 2, whose gradient is h p. */
function quadratic(optimizer: Optimizer): Program {
  return ({ params, ...slots }, { h, ...scalars }) => {
    const next = optimizer.update(params!, tf.mul(h!, params!), slots, scalars);
    return { state: { params: next.params, ...next.slots }, outputs: {} };
  };
}

async function minimize(engine: Engine, optimizer: Optimizer): Promise<Arrays> {
  const program = engine.compile(quadratic(optimizer), { name: optimizer.name });
  const state = await program.load({ params: start, ...optimizer.init(layout.size) });
  try {
    for (let step = 0; step < steps; step++) {
      await program.run(state, { h: curvature, ...toScalars(optimizer.scalars(step)) });
    }
    return await state.read();
  } finally {
    state.dispose();
    await program.dispose();
  }
}

onEachEngine('optimizers', (engine, reference) => {
  it.each(Object.keys(optimizers))('%s', async (name) => {
    const optimizer = optimizers[name]!;
    const expected = await minimize(reference, optimizer);
    expect(expected['params']!.data).not.toEqual(start.data);
    expect(await minimize(engine, optimizer)).toBeAllClose(expected, {
      rtol: 1e-5,
      relativeTo: 'norm',
      rtolOfAll: 1e-6,
    });
  });
});
