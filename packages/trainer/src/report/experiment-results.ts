/** Reads the results.json files of the experiments: experiments/<name>/results/<configuration>/. */
import { fileKind, insideFolder, listFolder, readJsonFile } from '@dm/files';
import { join } from 'node:path';
import * as z from 'zod';
import { messageOf, UserError } from '../errors.js';
import { checkValue } from '../files/check-value.js';
import { firstProblem } from '../files/first-problem.js';

// All limits are far above what an experiment writes; they keep a page of untrusted results readable.
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
  /** What readers must know before they use any number of these results. */
  notice: text.exactOptional(),
  /** Absent if the result is not a yes or no: the sentences state it in numbers. */
  verdict: z.enum(['holds', 'does not hold', 'depends', 'open']).exactOptional(),
  /** The number that a summary quotes, with its name; if absent, the first sentence is used. */
  key: text.exactOptional(),
  sentences: list(text).min(1),
  /** Whether all planned training runs are finished. */
  isComplete: z.boolean(),
  seeds: list(z.int()),
  command: text,
  machine: z.object({ cpu: shortText, cores: z.int().min(1), node: shortText, onnxruntime: shortText }),
  /** Total training time, in minutes. */
  trialMinutes: z.number().min(0),
  tables: list(tableSchema),
  /** Files in the same folder as results.json. */
  figures: list(z.object({ file: z.string().min(1).max(1000), caption: text })),
});

/** The project.json of an experiment: a project with the target `experiment`. */
const projectSchema = z.looseObject({ targets: z.looseObject({ experiment: z.unknown().optional() }).exactOptional() });

export type ExperimentResults = z.infer<typeof resultsSchema>;

/** An experiment and its results; both lists are empty if it has not been run. */
export interface ExperimentFolder {
  readonly name: string;
  readonly results: readonly { readonly folder: string; readonly found: ExperimentResults }[];
  /** Configurations whose results are in another format: they have a README.md, but no results.json. */
  readonly pages: readonly { readonly configuration: string; readonly file: string }[];
}

/** Names of the experiments that have not been run. */
export function withoutResults(experiments: readonly ExperimentFolder[]): string[] {
  return experiments.flatMap(({ name, results, pages }) => (results.length + pages.length === 0 ? [name] : []));
}

/** The configuration that only tests that an experiment runs; its results are not committed. */
const SMOKE = 'smoke';

/**
 * Reads all experiments (projects with the target `experiment`) in `folder`, sorted by name, with the results of every
 * configuration except `smoke`.
 *
 * @throws {UserError} if there is no experiment, or a results.json is invalid or refers to a missing figure
 */
export function readExperiments(folder: string): ExperimentFolder[] {
  const names = namesIn(folder).filter((name) => isExperiment(join(folder, name)));
  if (names.length === 0) {
    throw new UserError(
      `There is no experiment in ${folder}. Give the folder that contains one folder per experiment.`,
      {
        code: 'FILE_NOT_FOUND',
      },
    );
  }
  return names.toSorted().map((name) => {
    const results = join(folder, name, 'results');
    const configurations = namesIn(results)
      .filter((entry) => entry !== SMOKE)
      .toSorted();
    const hasResults = (configuration: string) => fileKind(join(results, configuration, 'results.json')) !== undefined;
    return {
      name,
      results: configurations.filter(hasResults).map((configuration) => {
        const path = join(results, configuration);
        return { folder: path, found: readResults(path, name) };
      }),
      pages: configurations
        .filter((configuration) => !hasResults(configuration))
        .map((configuration) => ({ configuration, file: join(results, configuration, 'README.md') }))
        .filter(({ file }) => fileKind(file) === 'file'),
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
    new UserError(`${path} ${why} Regenerate it with the experiment's command and --report.`, {
      code: 'FILE_INVALID',
    });
  const { data, error } = resultsSchema.safeParse(readJsonFile(path));
  if (error !== undefined) throw invalid(`is invalid: ${firstProblem(error)}.`);
  if (data.experiment !== name) {
    throw new UserError(`${path} contains results of ${data.experiment}, but is in the folder of ${name}.`, {
      code: 'FILE_INVALID',
    });
  }
  for (const [i, { file }] of data.figures.entries()) {
    if (fileKind(figurePath(folder, file, `${path}: figures.${i}.file`)) === 'file') continue;
    throw invalid(`refers to the figure ${file}, which is missing.`);
  }
  return data;
}

/** The path of a figure, which must be inside the folder of its experiment. */
function figurePath(folder: string, file: string, source: string): string {
  try {
    return insideFolder(folder, file);
  } catch (error) {
    throw new UserError(`${source}: ${messageOf(error)}`, { code: 'FILE_INVALID' });
  }
}
