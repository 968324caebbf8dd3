import { describe, expect, it } from 'vitest';

const messageOf = (check: () => void): string => {
  try {
    check();
  } catch (error) {
    return (error as Error).message;
  }
  return 'passes';
};

describe('toBeAllClose', () => {
  it('accepts plain numbers, typed arrays, shaped arrays, and several arrays by name', () => {
    expect([1, 2]).toBeAllClose(new Float32Array([1, 2]), {});
    expect({ shape: [2], data: [1, 2] }).toBeAllClose({ shape: [2], data: [1, 2.001] }, { atol: 0.01 });
    expect({ a: { shape: [1], data: [1] } }).toBeAllClose({ a: { shape: [1], data: [1] } }, {});
  });

  it.each([
    ['absolute', [1.1], [1], { atol: 0.2 }, { atol: 0.05 }],
    ['relative to each element', [110, 1], [100, 1], { rtol: 0.11 }, { rtol: 0.05 }],
    ['relative to the largest', [100, 2], [100, 1], { rtol: 0.02, relativeTo: 'largest' }, { rtol: 0.02 }],
    ['relative to the norm', [3, 4.4], [3, 4], { rtol: 0.09, relativeTo: 'norm' }, { rtol: 0.07, relativeTo: 'norm' }],
    ['relative to a floor', [0.1], [0], { rtol: 0.2, floor: 1 }, { rtol: 0.2, floor: 0.1 }],
  ] as const)('%s', (_, actual, expected, wide, narrow) => {
    expect(actual).toBeAllClose(expected, wide);
    expect(actual).not.toBeAllClose(expected, narrow);
  });

  it('rtolOfAll tolerates differences that are small compared with all arrays', () => {
    const [zero, noise, large] = [[0], [1e-7], [1]].map((data) => ({ shape: [1], data }));
    const options = { rtol: 1e-5, relativeTo: 'norm', rtolOfAll: 1e-6 } as const;
    expect({ zero: noise!, large: large! }).toBeAllClose({ zero: zero!, large: large! }, options);
    expect({ zero: noise! }).not.toBeAllClose({ zero: zero! }, options);
  });

  it('treats NaN as equal to NaN, and an infinity as equal to itself only', () => {
    expect([NaN, Infinity, -Infinity]).toBeAllClose([NaN, Infinity, -Infinity], {});
    expect([NaN]).not.toBeAllClose([0], { atol: 1 });
    expect([0]).not.toBeAllClose([NaN], { atol: 1 });
    expect([NaN]).not.toBeAllClose([0], { rtol: 1, floor: 1, relativeTo: 'norm' });
    expect([Infinity]).not.toBeAllClose([-Infinity], { rtol: 1 });
    expect([1]).not.toBeAllClose([Infinity], { rtol: 1 });
  });

  it('reports the worst element, both values, and the tolerance', () => {
    const message = messageOf(() => expect([1, 2.5, 3.2]).toBeAllClose([1, 2, 3], { atol: 0.1 }));
    expect(message).toContain('[1] is 2.5, expected 2');
    expect(message).toContain('atol 0.1');
    expect(message).toContain('2 of 3');
  });

  it('reports different names, shapes, and dtypes', () => {
    const a = { dtype: 'float32', shape: [2], data: [1, 2] };
    expect(messageOf(() => expect({ a }).toBeAllClose({ b: a }, {}))).toContain('a, expected b');
    expect(messageOf(() => expect(a).toBeAllClose({ ...a, shape: [1, 2] }, {}))).toContain(
      '[2], expected float32[1, 2]',
    );
    expect(messageOf(() => expect(a).toBeAllClose({ ...a, dtype: 'int32' }, {}))).toContain('expected int32');
    expect(messageOf(() => expect([1]).toBeAllClose([1, 1], {}))).toContain('[1], expected [2]');
    expect(messageOf(() => expect([]).toBeAllClose([1], { atol: 9 }))).toContain('[0], expected [1]');
  });
});
