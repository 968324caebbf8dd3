import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { expect, it } from 'vitest';
import * as curriculum from './index.js';

it("the README's example runs and gives a weight to each timestep", () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const source = /```ts\n(.*?)```/s.exec(readme)![1]!;
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ESNext } });
  const body = outputText.replaceAll(/^import (\{.+\}) from '@dm\/curriculum';$/gm, 'const $1 = curriculum;');
  // oxlint-disable-next-line typescript/no-implied-eval -- the code is the README's own
  const run = new Function('curriculum', `${body}; return { timesteps, exampleWeights };`) as (module: unknown) => {
    timesteps: Int32Array;
    exampleWeights: Float32Array;
  };
  const { timesteps, exampleWeights } = run(curriculum);
  expect(timesteps).toHaveLength(16);
  expect(exampleWeights.every((w) => w > 0 && w <= 1)).toBe(true);
});

it('the README names every schedule and every weight rule', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  for (const name of [...curriculum.timestepScheduleNames, ...curriculum.lossWeightings])
    expect(readme).toContain(`\`${name}\``);
});
