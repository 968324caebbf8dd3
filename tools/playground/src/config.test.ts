import { describe, expect, it } from 'vitest';
import {
  defaultConfig,
  formatFragment,
  isSameTraining,
  parseFragment,
  type PlaygroundConfig,
  withModelLr,
} from './config.js';

describe('the address of the page', () => {
  it('round-trips every field', () => {
    const config: PlaygroundConfig = {
      data: 'mnist28',
      model: 'dit',
      curriculum: 'uniform',
      momentum: 'constant',
      device: 'webgpu',
      lr: 0.0005,
      batch: 16,
      steps: 500,
      seed: 42,
      twins: true,
    };
    expect(parseFragment(formatFragment(config))).toEqual({ config, problems: [] });
    expect(Object.keys(config).filter((name) => !formatFragment(config).includes(`${name}=`))).toEqual([]);
  });

  it.each(['3.00001e-5', '0.012345678901234567', '1,5e-3', '.1', '7.1234567890123456e-5'])(
    'round-trips the learning rate %s',
    (text) => {
      const { config, problems } = parseFragment(`#lr=${text}`);
      expect([problems, config.lr]).toEqual([[], Number(text.replace(',', '.'))]);
      expect(parseFragment(formatFragment(config))).toEqual({ config, problems: [] });
    },
  );

  it('is the same training on another device, not with another seed', () => {
    expect(isSameTraining(defaultConfig, { ...defaultConfig, device: 'webgpu' })).toBe(true);
    expect(isSameTraining(defaultConfig, { ...defaultConfig, seed: 1 })).toBe(false);
  });

  it('is empty for the default configuration', () => {
    expect(formatFragment(defaultConfig)).toBe('#');
    expect(parseFragment('')).toEqual({ config: defaultConfig, problems: [] });
  });

  it.each([
    'data=__proto__',
    '__proto__=1',
    'constructor=1',
    'toString=x',
    'model=<img src=x onerror=alert(1)>',
    'seed=-1',
    'seed=1.5',
    'seed=Infinity',
    'seed=1e9',
    'seed=0x10',
    'lr=0',
    'lr=.',
    'lr=1,5,2',
    'lr=NaN',
    'lr=1',
    'batch=129',
    'steps=99999999999999999999',
    'twins=yes',
    'seed=1&seed=2',
    'data=mnist14&data=mnist28',
    `seed=${'1'.repeat(5000)}`,
    'seed=%E0%A4%A',
    'seed=',
    'seed',
  ])('refuses %s, and uses nothing of it', (hostile) => {
    const { config, problems } = parseFragment(`#steps=77&${hostile}`);
    expect(config).toEqual(defaultConfig);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem.length).toBeLessThan(250);
  });
});

describe('withModelLr', () => {
  it("changes the usual learning rate with the model, but not the user's", () => {
    const dit = withModelLr(defaultConfig, { ...defaultConfig, model: 'dit' });
    expect(dit.lr).toBe(0.001);
    expect(withModelLr(dit, { ...dit, model: 'unet' })).toEqual(defaultConfig);
    const chosen = { ...defaultConfig, lr: 0.01 };
    expect(withModelLr(chosen, { ...chosen, model: 'dit' }).lr).toBe(0.01);
    expect(withModelLr(defaultConfig, { ...defaultConfig, model: 'dit', lr: 0.02 }).lr).toBe(0.02);
  });
});

it.each(['.003', '0,003', '3E-3', '3e-3', '0.003'])('reads the learning rate %s', (text) => {
  expect(parseFragment(`#lr=${text}`)).toEqual({ config: { ...defaultConfig, lr: 0.003 }, problems: [] });
});
