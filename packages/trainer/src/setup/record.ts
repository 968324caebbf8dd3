import type { Dataset } from '@dm/data';
import type { Engine } from '@dm/ops';
import type { TrainingHistory } from '../config/saved-config.js';
import type { Config } from '../config/schema.js';
import type { TrainingSetup } from './training-setup.js';

/** The configuration with recorded facts about the run, for config.json. `environment` describes the program. */
export function record(
  { config, layout, dataset }: Pick<TrainingSetup, 'config' | 'layout'> & { readonly dataset: Dataset },
  engine: Pick<Engine, 'name' | 'info'>,
  dataSha256: string,
  environment: Readonly<Record<string, string | number>>,
  { extensions, evaluations, ...history }: TrainingHistory = {},
): Config {
  return {
    ...config,
    recorded: {
      environment,
      engine: { name: engine.name, info: { ...engine.info } },
      data: {
        name: dataset.name,
        images: dataset.length,
        shape: [...dataset.shape],
        classes: [...dataset.classes],
        sha256: dataSha256,
      },
      parameters: layout.size,
      ...history,
      ...(extensions !== undefined && { extensions: [...extensions] }),
      ...(evaluations !== undefined && { evaluations: [...evaluations] }),
    },
  };
}
