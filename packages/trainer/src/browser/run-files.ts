/** The files of a run in a store, apart from its checkpoints. They are the same as in a run folder of Node. */
import { parseJson } from '@dm/files';
import { isObject, type Json } from '../config/json.js';
import { isOfFormerShape } from '../config/migration.js';
import type { Config, PartialConfig } from '../config/schema.js';
import { withFormerBehavior } from '../config/training-text.js';
import { messageOf, UserError } from '../errors.js';
import { metricsLine, type MetricsRecord } from '../run/metrics-record.js';
import { writeFile, type RunStore } from './run-store.js';

export const configFile = 'config.json';
const metricsFile = 'metrics.jsonl';
const bestFile = 'checkpoints/best.json';

/**
 * The saved configuration of a run; undefined if the store has none.
 *
 * @throws {UserError} `CONFIG_INVALID` if it is damaged, or was written by a version with other field names
 */
export async function readConfig(store: RunStore): Promise<PartialConfig | undefined> {
  const bytes = await store.read(configFile);
  return bytes === undefined ? undefined : parseConfig(bytes, store.name);
}

/**
 * Parses the config.json of the run `name`.
 *
 * @throws {UserError} in the cases of `readConfig`
 */
export function parseConfig(bytes: Uint8Array, name: string): PartialConfig {
  const invalid = (why: string) =>
    new UserError(`${configFile} of the run ${name} ${why}.`, { code: 'CONFIG_INVALID' });
  let json: unknown;
  try {
    json = parseJson(new TextDecoder().decode(bytes), configFile);
  } catch (error) {
    throw invalid(`is damaged: ${messageOf(error)}`);
  }
  if (!isObject(json)) throw invalid('does not contain an object');
  if (isOfFormerShape(json)) {
    throw invalid('has field names of an older version: resume it in Node first, which converts it');
  }
  const { $schema: _forEditors, ...fields } = json;
  return withFormerBehavior(fields);
}

export async function writeConfig(store: RunStore, config: Config | Json): Promise<void> {
  await writeFile(store, configFile, encoded(`${JSON.stringify(config, null, 2)}\n`));
}

/** The step that `checkpoints/best.json` names, as Node writes it; undefined without one. */
export async function bestStep(store: RunStore): Promise<number | undefined> {
  const bytes = await store.read(bestFile);
  if (bytes === undefined) return undefined;
  try {
    const best = parseJson(new TextDecoder().decode(bytes), bestFile);
    return isObject(best) && typeof best['step'] === 'number' ? best['step'] : undefined;
  } catch {
    return undefined; // as in Node, a damaged one is written again by the next evaluation
  }
}

/** metrics.jsonl: lines are added in memory, and stored together before each checkpoint. */
export class MetricsFile {
  private isStored = true;

  private constructor(
    private readonly store: RunStore,
    private readonly lines: string[],
    /** Seconds of training in earlier sessions. */
    readonly secondsBefore: number,
  ) {}

  /** Opens the log of a run that continues after `step` steps; later lines are dropped, since they will be logged again. */
  static async open(store: RunStore, step: number): Promise<MetricsFile> {
    const bytes = await store.read(metricsFile);
    const lines = bytes === undefined ? [] : new TextDecoder().decode(bytes).split('\n').slice(0, -1);
    const kept: string[] = [];
    let seconds = 0;
    for (const [n, line] of lines.entries()) {
      const record = recordOf(line, `${metricsFile}, line ${n + 1}`);
      if (record.step > step) continue;
      kept.push(`${line}\n`);
      if (typeof record.seconds === 'number') ({ seconds } = record);
    }
    const file = new MetricsFile(store, kept, seconds);
    file.isStored = kept.length === lines.length;
    return file;
  }

  add(record: MetricsRecord): void {
    this.lines.push(metricsLine(record));
    this.isStored = false;
  }

  async save(): Promise<void> {
    if (this.isStored) return;
    await writeFile(this.store, metricsFile, encoded(this.lines.join('')));
    this.isStored = true;
  }
}

function recordOf(line: string, source: string): Pick<MetricsRecord, 'step' | 'seconds'> {
  const record = parseJson(line, source);
  if (isObject(record) && typeof record['step'] === 'number') return record as unknown as MetricsRecord;
  throw new UserError(`${source} has no step.`, { code: 'FILE_INVALID' });
}

function encoded(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
