// docs/presets.md has the values of the presets.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { presets } from './presets.js';

const page = readFileSync(join(import.meta.dirname, '../../../../docs/presets.md'), 'utf8').replaceAll(/ +/g, ' ');

/** A row of the table, with single spaces. */
function rowOf(name: string): string {
  const { data, model, batchSize, totalSteps, diffusion, curriculum, optimizer, labelDropout, sampler } =
    presets[name]!;
  const { type, lr, lrSchedule, momentumDecay } = optimizer;
  const decay = momentumDecay === null ? `${lrSchedule.type} decay` : 'momentum decay';
  const cells = [
    `\`${name}\``,
    data,
    `\`${model.type}\``,
    `${batchSize} x ${totalSteps}`,
    `${diffusion.prediction.type}, ${diffusion.schedule.type}`,
    curriculum.type,
    `${type}, ${lr}, ${decay}`,
    labelDropout ?? '',
    `${sampler.type}, ${sampler.steps}${sampler.guidance === 1 ? '' : `, guidance ${sampler.guidance}`}`,
  ];
  return `| ${cells.join(' | ')} |`.replaceAll(/ +/g, ' ');
}

it.each(Object.keys(presets))('docs/presets.md has the values of %s', (name) => {
  expect(page).toContain(rowOf(name));
});
