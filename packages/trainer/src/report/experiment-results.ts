/** results.json of the experiments, as their commands leave it: experiments/<name>/results/<configuration>/. */
import { fileKind, insideFolder, listFolder, readJsonFile } from '@dm/files';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, UserError } from '../errors.js';
import { checkValue, firstProblem } from '../files/check-value.js';

// Every limit is far above what an experiment writes: a page of a stranger's results stays readable.
const shortText = z.string().max(200);
const text = z.string().max(10_000);
const list = <T extends z.ZodType>(of: T, max = 1000) => z.array(of).max(max);

const tableSchema = z
  .object({ title: text, columns: list(text, 100), rows: list(list(text, 100), 10_000) })
  .refine(({ columns, rows }) => rows.every((row) => row.length === columns.length), {
    error: 'has rows with more or fewer cells than columns',
  });

const resultsSchema = z.object({
  experiment: shortText,
  configuration: shortText,
  claim: text,
  /** The claim or question in a few words. */
  inShort: text,
  /** What a reader must know before any number of these results. */
  notice: text.exactOptional(),
  verdict: z.enum(['holds', 'does not hold', 'depends', 'open']),
  /** The number that a summary quotes, with its name; where there is none the first sentence stands for it. */
  key: text.exactOptional(),
  sentences: list(text).min(1),
  /** Whether every training that was planned is finished. */
  isComplete: z.boolean(),
  seeds: list(z.int()),
  command: text,
  machine: z.object({ cpu: shortText, cores: z.int().min(1), node: shortText, onnxruntime: shortText }),
  /** Minutes of the trainings by the clock, added up. */
  trialMinutes: z.number().min(0),
  tables: list(tableSchema),
  /** Files beside results.json. */
  figures: list(z.object({ file: z.string().min(1).max(1000), caption: text })),
});

/** What tells an experiment from another project. */
const projectSchema = z.looseObject({ targets: z.looseObject({ experiment: z.unknown().optional() }).exactOptional() });

export type ExperimentResults = z.infer<typeof resultsSchema>;

/** An experiment and what was found; `results` is empty where it has not been run. */
export interface ExperimentFolder {
  readonly name: string;
  readonly results: readonly { readonly folder: string; readonly found: ExperimentResults }[];
}

/** Only shows that an experiment works; its results are not committed. */
const SMOKE = 'smoke';

/**
 * Every folder below `folder` that is an experiment (a project with the target `experiment`), in order of names, with
 * the results of each configuration but `smoke`.
 * @throws {UserError} if there is none, or a results.json is not what the experiment writes or names a figure that is
 *   missing
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
  return checkValue(projectSchema, readJsonFile(path), path).targets?.experiment !== undefined;
}

function readResults(folder: string, name: string): ExperimentResults {
  const path = join(folder, 'results.json');
  const invalid = (why: string) =>
    new UserError(`${path} ${why} Write it again with the experiment's command and --report.`, {
      code: 'FILE_INVALID',
    });
  const { data, error } = resultsSchema.safeParse(readJsonFile(path));
  if (error !== undefined) throw invalid(`is not as expected: ${firstProblem(error)}.`);
  if (data.experiment !== name) {
    throw new UserError(`${path} has the results of ${data.experiment}, but lies in the folder of ${name}.`, {
      code: 'FILE_INVALID',
    });
  }
  for (const [i, { file }] of data.figures.entries()) {
    if (fileKind(figurePath(folder, file, `${path}: figures.${i}.file`)) === 'file') continue;
    throw invalid(`names the figure ${file}, which is missing.`);
  }
  return data;
}

/** A page leads to files of its own experiment alone. */
function figurePath(folder: string, file: string, source: string): string {
  try {
    return insideFolder(folder, file);
  } catch (error) {
    throw new UserError(`${source}: ${messageOf(error)}`, { code: 'FILE_INVALID' });
  }
}
