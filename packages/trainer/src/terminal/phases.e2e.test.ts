// Phases and estimates, through the built command.
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dm, dmJson } from '../testing/command.js';
import { tinyArguments, tinyFolder } from '../testing/tiny.js';

interface Event {
  readonly event: string;
  readonly name?: string;
  readonly seconds?: number;
}

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
});
afterAll(() => rmSync(folder, { recursive: true }));

it('dm train reports each phase twice, before the first step', { timeout: 120_000 }, async () => {
  const events = (await dmJson([...tinyArguments(folder, 2, 'run'), '--engine', 'onnx'], folder)) as Event[];
  const phases = events.filter(({ event }) => event === 'phase');
  const begun = phases.filter(({ seconds }) => seconds === undefined).map(({ name }) => name!);
  const ended = phases.filter(({ seconds }) => seconds !== undefined).map(({ name }) => name!);
  expect(ended.toSorted()).toEqual(begun.toSorted());
  expect(begun[0]).toMatch(/^opening data /);
  for (const part of ['starting engine onnx', 'first step', 'compiling training step']) expect(begun).toContain(part);
  expect(begun.some((name) => name.startsWith('hashing data '))).toBe(true);
  expect(events.findIndex(({ event }) => event === 'phase')).toBeLessThan(
    events.findIndex(({ event }) => event === 'start'),
  );
});

it(
  'dm sample shows phases on standard error, and only its result on standard output',
  { timeout: 120_000 },
  async () => {
    const { code, stdout, phases } = await dm(
      ['sample', '--run', 'run', '--count', '2', '--steps', '2', '--out', 'x.png', '--json'],
      folder,
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ event: 'end', count: 2 });
    expect(phases).toMatch(/^starting engine onnx \.\.\.$/m);
    expect(phases).toMatch(/^compiling .* \.\.\.$/m);
  },
);
