/** How long the presets that train for hours take. */
import { isDeepStrictEqual } from 'node:util';
import { hoursMeasuredOn, presetHours } from './presets.js';
import { resolveConfig } from './resolve.js';
import type { Config } from './schema.js';

/** A note that training takes hours, for a configuration with the model of such a preset; otherwise undefined. */
export function noteOfHours({ preset, model, totalSteps, batchSize }: Config): string | undefined {
  const hours = Object.hasOwn(presetHours, preset) ? presetHours[preset] : undefined;
  if (hours === undefined) return undefined;
  const base = resolveConfig([{ source: 'preset', value: { preset } }]);
  if (!isDeepStrictEqual(model, base.model)) return undefined;
  const scaled = (hours * totalSteps * batchSize) / (base.totalSteps * base.batchSize);
  if (scaled < 1) return undefined;
  return (
    `${preset}: ${totalSteps.toLocaleString('en')} steps of ${batchSize} images take about ${Math.round(scaled)} hours on ` +
    `${hoursMeasuredOn} (engine onnx, extrapolated from single steps); the estimate for this machine follows after the first steps.`
  );
}
