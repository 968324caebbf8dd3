import { expect, it } from 'vitest';
import { metricsRecord } from '../testing/metrics.js';
import { metricsCsv } from './csv.js';

it('has a row a line and a column a number; what a line lacks is empty', () => {
  const { lossByLevel: _l, drawsByLevel: _d, ...record } = metricsRecord(2);
  expect(metricsCsv([record, { ...record, step: 4, eval: { 'KD, "x"': 0.5 } }])).toBe(
    'step,images,loss,lossByQuarter.1,lossByQuarter.2,lossByQuarter.3,lossByQuarter.4,' +
      'gradNorm,lr,beta1,emaDecay,imagesPerSecond,dataWait,peakMb,seconds,"eval.KD, ""x"""\n' +
      '2,8,0.5,0.5,,0.25,0.1,2,0.001,0.9,0.99,10,0.01,400,2,\n' +
      '4,8,0.5,0.5,,0.25,0.1,2,0.001,0.9,0.99,10,0.01,400,2,0.5\n',
  );
});

it.each([
  ['=HYPERLINK("http://a.b")', `"'=HYPERLINK(""http://a.b"")"`],
  ['+1+1', "'+1+1"],
  ['-1-1', "'-1-1"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\tx', "'\tx"],
  ['\rx', `"'\rx"`],
  ['-1e-3', '-1e-3'],
  ['text', 'text'],
])('makes text of the formula %j, and leaves numbers alone', (text, cell) => {
  const csv = metricsCsv([{ ...metricsRecord(1), loss: -1e-3, note: text } as never]);
  expect(
    csv
      .split(/\n(?!$)/)[1]!
      .trimEnd()
      .endsWith(`,${cell}`),
  ).toBe(true);
  expect(csv).toContain(',-0.001,');
  const header = metricsCsv([{ ...metricsRecord(1), [text]: 1 }]).split('\n', 1)[0];
  expect(header!.endsWith(`,${cell}`)).toBe(true);
});

it.each(['', 'toString', '__proto__', 'a.b', 'a[0]'])('takes the name %j of a column as it is', (name) => {
  const record = JSON.parse(JSON.stringify(metricsRecord(1)).replace('{', `{${JSON.stringify(name)}:7,`)) as never;
  const [header, row] = metricsCsv([record]).split('\n');
  expect([header!.split(',', 1)[0], row!.split(',', 1)[0]]).toEqual([name, '7']);
});
