/** The table of results/laptop/README.md. */
import type { TrialResult } from './trial.js';

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;

/** One row of a Markdown table per recipe and sampler setting: means over the seeds. */
export function resultRows(trials: readonly TrialResult[]): string[] {
  const groups = new Map<string, { readable: number[]; fd: number[] }>();
  for (const { recipe, samples } of trials) {
    for (const [setting, { readable, fd }] of Object.entries(samples)) {
      const key = `\`${recipe}\` | ${setting}`;
      const group = groups.get(key) ?? { readable: [], fd: [] };
      group.readable.push(readable);
      group.fd.push(fd);
      groups.set(key, group);
    }
  }
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  return [...groups].map(
    ([key, { readable, fd }]) =>
      `| ${key} | ${readable.length} | ${percent(mean(readable))} | ${mean(fd).toFixed(1)} |`,
  );
}
