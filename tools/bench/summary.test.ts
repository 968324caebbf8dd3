import { describe, expect, it } from 'vitest';
import { cases } from './cases.mjs';
import { merge, quantile, requireSameWork, summarize } from './summary.mjs';
import { markdownTable, withTable } from './table.mjs';

const timing = {
  ms: [30, 10, 20],
  firstMs: 500,
  check: 1.25,
  parameters: 7,
  peakMb: 100,
  cpuSeconds: 1,
  othersBusy: 0.0512,
  versions: {},
};

describe('quantiles', () => {
  it('equal numpy.quantile([1, 2, 4, 8], [0, 0.25, 0.5, 0.75, 1])', () => {
    expect([0, 0.25, 0.5, 0.75, 1].map((q) => quantile([8, 1, 4, 2], q))).toEqual([1, 1.75, 3, 5, 8]);
    expect(quantile([3], 0.25)).toBe(3);
  });
});

describe('a summary', () => {
  it('pools the calls of all rounds and takes the maximum of the peak memory', () => {
    const rounds = [timing, { ...timing, ms: [40, 60], firstMs: 700, peakMb: 130, othersBusy: 0.1 }];
    expect(summarize(rounds)).toEqual({
      medianMs: 30,
      minMs: 10,
      q1Ms: 20,
      q3Ms: 40,
      maxMs: 60,
      samples: 5,
      firstMs: 600,
      peakMb: 130,
      othersBusy: 0.1,
    });
  });

  it('includes compilation times if there are any', () => {
    const compiled = { ...timing, compileMs: 400, javascript: [0.01, 0.03, 0.02] };
    expect(summarize([compiled])).toMatchObject({ compileMs: 400, javascript: 0.02 });
  });
});

describe('requireSameWork', () => {
  const among = (other: Partial<typeof timing>) =>
    new Map([
      ['dm', [timing]],
      ['rival', [timing, { ...timing, ...other }]],
    ]);

  it('accepts results within the tolerance', () => {
    expect(() => requireSameWork('case', among({ check: 1.2505 }))).not.toThrow();
  });

  it.each([
    [{ check: 1.26 }, ['rival computed 1.26', 'dm 1.25']],
    [{ check: NaN }, ['rival computed NaN', 'dm 1.25']],
    [{ parameters: 8 }, ['rival has 8', 'dm 7']],
  ])('rejects %j', (other, contains) => {
    expect(() => requireSameWork('case', among(other))).toThrowWith({ type: Error, contains: ['case: ', ...contains] });
  });
});

it('merges results by name, in the order of the cases', () => {
  const old = [
    { name: 'b', at: 1 },
    { name: 'gone', at: 1 },
    { name: 'c', at: 1 },
  ];
  const fresh = [
    { name: 'c', at: 2 },
    { name: 'a', at: 2 },
  ];
  expect(merge(old, fresh, ['a', 'b', 'c'])).toEqual([
    { name: 'a', at: 2 },
    { name: 'b', at: 1 },
    { name: 'c', at: 2 },
  ]);
});

describe('the table', () => {
  const us = { ...summarize([timing]), compileMs: 400, javascript: 0.0123 };
  const results = {
    machine: {},
    versions: {},
    cases: [
      {
        name: 'small',
        kind: 'training' as const,
        parameters: 7,
        us,
        rivals: { slow: { ...us, medianMs: 2000 } },
        skipped: { absent: 'not installed' },
        run: { machine: {}, versions: {} },
      },
    ],
  };

  it('has a line for each contender, including skipped ones', () => {
    const lines = markdownTable(results).split('\n').slice(2);
    expect(lines.slice(0, 4)).toEqual([
      '| small | dm | 20.0 | 10.0 / 15.0 to 25.0 |  | 100 | 500 |',
      '|  | slow | 2000 | 10.0 / 15.0 to 25.0 | 0.010 | 100 | 500 |',
      '|  | absent | – | skipped: not installed |  |  |  |',
      '',
    ]);
    for (const value of ['small', '400 ms', '1.23%', '0.05 cores']) expect(lines[4]).toContain(value);
  });

  it('replaces the previous table', () => {
    const text = 'a\n<!-- table: written by table.mjs -->\nold\n<!-- end of the table -->\nb\n';
    const once = withTable(text, results);
    expect(once).toMatch(/^a\n<!--.*-->\n\n\| case [^]*\.\n\n<!-- end of the table -->\nb\n$/);
    expect(once).not.toContain('old');
    expect(withTable(once, results)).toBe(once);
    expect(() => withTable('no markers', results)).toThrowWith({ type: Error, contains: '<!-- table' });
  });
});

it('names each case once', () => {
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
});
