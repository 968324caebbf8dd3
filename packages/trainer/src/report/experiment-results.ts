/** results.json of the experiments, as their commands leave it: experiments/<name>/results/<configuration>/. */
import { fileKind, listFolder, readTextFile } from '@dm/files';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, UserError } from '../errors.js';

const tableSchema = z
  .object({ title: z.string(), columns: z.array(z.string()), rows: z.array(z.array(z.string())) })
  .refine(({ columns, rows }) => rows.every((row) => row.length === columns.length), {
    error: 'has rows with more or fewer cells than columns',
  });

const resultsSchema = z.object({
  experiment: z.string(),
  configuration: z.string(),
  claim: z.string(),
  /** The claim or question in a few words. */
  inShort: z.string(),
  /** What a reader must know before any number of these results. */
  notice: z.string().exactOptional(),
  verdict: z.enum(['holds', 'does not hold', 'depends', 'open']),
  /** The number that a summary quotes, with its name; where there is none the first sentence stands for it. */
  key: z.string().exactOptional(),
  sentences: z.array(z.string()).min(1),
  /** Whether every training that was planned is finished. */
  isComplete: z.boolean(),
  seeds: z.array(z.int()),
  command: z.string(),
  machine: z.object({ cpu: z.string(), cores: z.int(), node: z.string(), onnxruntime: z.string() }),
  /** Minutes of the trainings by the clock, added up. */
  trialMinutes: z.number(),
  tables: z.array(tableSchema),
  /** Files beside results.json. */
  figures: z.array(z.object({ file: z.string(), caption: z.string() })),
});

export type ExperimentResults = z.infer<typeof resultsSchema>;

/** An experiment and what was found; `results` is empty where it has not been run. */
export interface ExperimentFolder {
  readonly name: string;
  readonly results: readonly { readonly folder: string; readonly found: ExperimentResults }[];
}

/** Only shows that an experiment works; its results are not committed. */
const SMOKE = 'smoke';

/**
 * Every folder below `folder` that is an experiment (a project with the target `experiment`), in order of names, with the
 * results of each configuration but `smoke`. Throws a UserError where there is none, or a results.json is not what the
 * experiment writes or names a figure that is missing.
 */
export function readExperiments(folder: string): ExperimentFolder[] {
  const names = namesIn(folder).filter((name) => isExperiment(join(folder, name)));
  if (names.length === 0) {
    throw new UserError(`There is no experiment in ${folder}: name the folder that holds a folder for each of them.`, {
      code: 'FILE_NOT_FOUND',
    });
  }
  return names.toSorted().map((name) => {
    const results = join(folder, name, 'results');
    const configurations = namesIn(results).filter((entry) => entry !== SMOKE);
    return {
      name,
      results: configurations
        .toSorted()
        .map((configuration) => join(results, configuration))
        .filter((path) => fileKind(join(path, 'results.json')) !== undefined)
        .map((path) => ({ folder: path, found: readResults(path, name) })),
    };
  });
}

/** Names in a folder; none if there is no such folder. */
function namesIn(folder: string): string[] {
  return fileKind(folder) === 'folder' ? listFolder(folder).map(({ name }) => name) : [];
}

function isExperiment(folder: string): boolean {
  const path = join(folder, 'project.json');
  if (fileKind(path) === undefined) return false;
  const { targets } = json(path) as { targets?: Record<string, unknown> };
  return targets?.['experiment'] !== undefined;
}

function readResults(folder: string, name: string): ExperimentResults {
  const path = join(folder, 'results.json');
  const { data, error } = resultsSchema.safeParse(json(path));
  const again = `Write it again with the experiment's command and --report`;
  if (error !== undefined) {
    const [issue] = error.issues;
    throw new UserError(`${path}: ${[issue!.path.join('.'), issue!.message].filter(Boolean).join(': ')}. ${again}.`, {
      code: 'FILE_INVALID',
    });
  }
  if (data.experiment !== name) {
    throw new UserError(`${path} has the results of ${data.experiment}, but lies in the folder of ${name}.`, {
      code: 'FILE_INVALID',
    });
  }
  const missing = data.figures.find(({ file }) => fileKind(join(folder, file)) === undefined);
  if (missing !== undefined)
    throw new UserError(`${path} names the figure ${missing.file}, which is missing. ${again}.`, {
      code: 'FILE_INVALID',
    });
  return data;
}

function json(path: string): unknown {
  try {
    return JSON.parse(readTextFile(path));
  } catch (error) {
    throw new UserError(`${path} is not JSON: ${messageOf(error)}.`, { code: 'FILE_INVALID' });
  }
}
