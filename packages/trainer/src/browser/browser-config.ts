/** The configuration of a run in a browser. */
import { differences } from '../config/differences.js';
import { resolveConfig } from '../config/resolve.js';
import { trainingPart, type Config, type PartialConfig } from '../config/schema.js';
import { UserError } from '../errors.js';
import { dataFile } from '../interchange/run-zip.js';

/** What a browser does not do, over the values of presets. */
const withoutNode: PartialConfig = {
  evaluation: { every: 0 },
  probe: { every: 0 },
  validation: { every: 0 },
  tensorboard: false,
};

/**
 * The configuration of a new run.
 *
 * @throws {UserError} if it is invalid, or needs what only Node has; the message names the field and the remedy
 */
export function newConfig(name: string, given: PartialConfig): Config {
  const config = resolveConfig([
    { source: 'runs in a browser', value: withoutNode },
    { source: 'the configuration given', value: given },
    { source: 'runs in a browser', value: { data: dataFile, out: `runs/${name}` } },
  ]);
  checkNew(config);
  return config;
}

/**
 * The configuration of a run that continues, with changes that do not affect its weights.
 *
 * @throws {UserError} `RESUME_MISMATCH` if `given` would train something else; lists all fields that differ
 */
export function resumedConfig(name: string, saved: PartialConfig, given: PartialConfig): Config {
  const layers = [{ source: 'config.json', value: saved }];
  const before = resolveConfig(layers);
  const { preset = before.preset, data: _inTheStore, out: _ofTheStore, ...changes } = given;
  const config = resolveConfig([...layers, { source: 'the configuration given', value: changes }]);
  const changed = [
    ...differences({ preset: before.preset }, { preset }),
    ...differences(trainingPart(before), trainingPart(config)).filter(
      (change) => !change.startsWith('model.') || !/ -> (null|nothing)$/.test(change),
    ),
  ];
  if (changed.length === 0) {
    if (config.emaSnapshots === null) return config;
    throw new UserError(
      `The run ${name} stores EMA snapshots (emaSnapshots), which a browser does not: continue it in Node.`,
      {
        code: 'CONFIG_INVALID',
      },
    );
  }
  throw new UserError(
    `The run ${name} was trained with another configuration, which a resumed run must not change. Changed: ` +
      `${changed.join('; ')}. Do not set these, or start a new run with another name.`,
    { code: 'RESUME_MISMATCH' },
  );
}

function checkNew(config: Config): void {
  const { engine, initFrom, crop, holdOut, evaluation, probe, validation, tensorboard, emaSnapshots, latents } = config;
  const refused: readonly (readonly [boolean, field: string, remedy: string])[] = [
    [engine !== 'onnx', `engine ${engine}`, 'a browser has only the engine onnx'],
    [initFrom !== undefined, 'initFrom', 'begin a run from weights in Node, and import its zip'],
    [crop !== null, 'crop', 'crop the dataset that you pass: cropDataset of @dm/data'],
    [holdOut !== null, 'holdOut', 'leave the images out of the dataset that you pass'],
    [latents !== null, 'latents', 'train in Node'],
    [evaluation.every > 0, 'evaluation.every', 'evaluate in Node: export the zip of the run'],
    [probe.every > 0, 'probe.every', 'measure it in Node: export the zip of the run'],
    [validation.every > 0, 'validation.every', 'measure it in Node: export the zip of the run'],
    [emaSnapshots !== null, 'emaSnapshots', 'use extraEmas, or train in Node'],
    [tensorboard, 'tensorboard', 'onLog receives the same values'],
  ];
  const lines = refused.flatMap(([is, field, remedy]) =>
    is ? [`A run in a browser cannot have ${field}: ${remedy}.`] : [],
  );
  if (lines.length > 0) throw new UserError(lines, { code: 'CONFIG_INVALID' });
}
