import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nodeComplaint } from './node-version.mjs';
import { failedTasks, lastLine, sumReports, tally } from './reports.mjs';

const test = (status: string, fullName = status) => ({ status, fullName });

describe('tally', () => {
  it('counts passed, failed and skipped tests', () => {
    const report = {
      success: false,
      testResults: [
        { name: 'a.test.ts', status: 'passed', assertionResults: [test('passed'), test('passed'), test('skipped')] },
        {
          name: 'b.test.ts',
          status: 'failed',
          assertionResults: [test('failed', 'adds'), test('todo'), test('pending')],
        },
      ],
    };
    expect(tally(report, 'x')).toEqual({ passed: 2, failed: 1, skipped: 3, failures: ['b.test.ts: adds'] });
  });

  it('counts a file that could not be loaded as one failure', () => {
    const broken = { name: 'c.test.ts', status: 'failed', message: 'Error: no module x\n  at y', assertionResults: [] };
    expect(tally({ success: false, testResults: [broken] }, 'x')).toEqual({
      passed: 0,
      failed: 1,
      skipped: 0,
      failures: ['c.test.ts: Error: no module x'],
    });
  });

  it('counts a run that failed outside its tests as one failure', () => {
    const file = { name: 'd.test.ts', status: 'passed', assertionResults: [test('passed')] };
    expect(tally({ success: false, testResults: [file] }, 'x')).toMatchObject({ passed: 1, failed: 1 });
  });
});

it('the end of the output of failed tasks is found', () => {
  const output = [
    '> nx run a:test',
    'a passed',
    '> nx run b:test  [local cache]',
    ...Array.from({ length: 100 }, (_, i) => `\u001B[31mb ${i}\u001B[39m`),
    '> nx run c:lint',
    'c passed',
    'Failed tasks:',
    '',
    '- b:test',
  ].join('\n');
  const [only, ...others] = failedTasks(output);
  expect(only!.task).toBe('b:test');
  expect(only!.lines.at(-1)).toBe('b 99');
  expect(only!.lines.length).toBeLessThan(100);
  expect(others).toEqual([]);
  expect(failedTasks('> nx run a:test\nFailed to find\n- a:test')).toEqual([]);
});

describe('sumReports', () => {
  const folder = mkdtempSync(join(tmpdir(), 'reports-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('sums files, and counts a missing or damaged one as a failure', () => {
    const good = join(folder, 'good.json');
    const damaged = join(folder, 'damaged.json');
    writeFileSync(
      good,
      JSON.stringify({
        success: true,
        testResults: [{ name: 'e', status: 'passed', assertionResults: [test('passed')] }],
      }),
    );
    writeFileSync(damaged, '{"success": tr');
    expect(sumReports([good, good])).toEqual({ passed: 2, failed: 0, skipped: 0, failures: [] });
    const total = sumReports([good, join(folder, 'missing.json'), damaged]);
    expect(total).toMatchObject({ passed: 1, failed: 2 });
    expect(total.failures[0]).toContain('missing.json: Error: no test report');
    expect(lastLine(total)).toBe('1 passed, 2 failed');
  });
});

it('reports skipped tests only if there are any', () => {
  expect(lastLine({ passed: 3, failed: 0, skipped: 2, failures: [] })).toBe('3 passed, 0 failed, 2 skipped');
  expect(lastLine({ passed: 3, failed: 0, skipped: 0, failures: [] })).toBe('3 passed, 0 failed');
});

it('rejects versions of Node below 20', () => {
  for (const version of ['Node 20', 'Node 18.19.1']) expect(nodeComplaint('18.19.1')).toContain(version);
  expect(nodeComplaint('20.0.0')).toBeUndefined();
  expect(nodeComplaint('24.1.0')).toBeUndefined();
});
