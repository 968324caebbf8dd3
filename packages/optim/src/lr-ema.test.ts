// By step, against diffusers and EDM2: tools/parity/lr_ema_fixture.py.
import { expect, it } from 'vitest';
import fixture from './fixtures/lr-ema.json' with { type: 'json' };
import { halfLifeEma, powerEma, rationalEma, type HalfLifeEmaOptions } from './ema.js';
import { afterWarmup, constantLr, cosineLr, linearLr } from './lr-schedules.js';
import type { StepSchedule } from './step-schedule.js';

it.each(fixture.lr)('$type with $warmup steps of warm-up', ({ type, warmup, totalSteps, values }) => {
  const options = { lr: 0.02, totalSteps: totalSteps - warmup };
  const schedules: Record<string, StepSchedule> = {
    cosine: cosineLr(options),
    linear: linearLr(options),
    constant: constantLr(0.02),
  };
  const lr = afterWarmup(schedules[type]!, warmup);
  // After its last step the cosine of diffusers rises again.
  const expected = values.slice(0, totalSteps + 1);
  expect(expected.map((_, step) => lr(step))).toBeAllClose(expected, { atol: 1e-12 });
});

it.each(fixture.ema)('the average $type $options', ({ type, options, values }) => {
  const ema =
    type === 'rational'
      ? rationalEma(options)
      : type === 'power'
        ? powerEma(options)
        : halfLifeEma(options as HalfLifeEmaOptions);
  expect(values.map((_, step) => ema.decay(step))).toBeAllClose(values, { atol: 1e-12 });
});

it.each<[() => unknown, string[]]>([
  [() => rationalEma({ updateAfterStep: -1 }), ['updateAfterStep', '>= 0', 'got -1']],
  [() => rationalEma({ minDecay: 0.9, maxDecay: 0.5 }), ['minDecay', 'got 0.9']],
  [() => halfLifeEma({ halfLifeImages: 1, batchSize: 1, ramp: 'edm3' as 'edm2' }), ['ramp', 'edm, edm2', '"edm3"']],
  [() => afterWarmup(1, -1), ['warmupSteps', '>= 0', 'got -1']],
])('refuses impossible values %#', (make, contains) => {
  expect(make).toThrowWith({ type: RangeError, contains });
});
