/** Command lines that messages suggest, as this user has to type them. */
import { existsSync } from 'node:fs';
import { basename, delimiter, dirname, join, relative, resolve, sep } from 'node:path';

/** How this process was started; tests replace it. */
export interface DmSurroundings {
  /** The script that Node runs, `process.argv[1]`. */
  readonly script: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly platform: NodeJS.Platform;
}

/**
 * The command line that runs `dm` with these words and options (`true` for one without a value), quoted for the shell:
 * `npm run -s dm -- train --resume` in a clone of the repository, `npx dm train --resume` in a project that has the package,
 * `dm train --resume` if `dm` is on the PATH. Placeholders such as `<folder>` are not quoted.
 */
export function dmCommand(
  words: readonly string[],
  options: Readonly<Record<string, string | true>> = {},
  surroundings: DmSurroundings = currentSurroundings(),
): string {
  const { platform } = surroundings;
  const flags = Object.entries(options).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, quoteArgument(value, platform)],
  );
  return [dmProgram(surroundings), ...words.map((word) => quoteArgument(word, platform)), ...flags].join(' ');
}

/** The beginning of `dmCommand`: what starts `dm`. */
export function dmProgram(surroundings: DmSurroundings = currentSurroundings()): string {
  const { script, env, cwd, platform } = surroundings;
  const cloned = 'npm run -s dm --';
  const installed = 'npx dm';
  const isNamedDm = basename(script) === 'dm';
  // npm sets the name of the script that it runs.
  if (env['npm_lifecycle_event'] === 'dm') return cloned;
  if (!isNamedDm && !scripts.some((file) => script.endsWith(join('trainer', file)))) {
    // A program that uses the packages.
    return existsSync(join(cwd, trainerInClone, 'bin', 'dm.js')) ? cloned : installed;
  }
  if (scripts.some((file) => script === resolve(cwd, trainerInClone, file))) return cloned;
  const modules = script.indexOf(`${sep}node_modules${sep}`);
  const isReachable = () => env['npm_lifecycle_event'] === 'npx' || isWithin(script.slice(0, modules), cwd);
  if (modules !== -1 && isReachable()) return installed;
  if (!isNamedDm) return `node ${quoteArgument(script, platform)}`;
  const isOnPath = (env['PATH'] ?? '').split(delimiter).includes(dirname(script));
  return isOnPath ? 'dm' : quoteArgument(script, platform);
}

/** What starts `dm` in the folder of @dm/trainer: its `bin`, and the built file that it loads. */
const scripts = [join('bin', 'dm.js'), join('dist', 'cli.js')];
const trainerInClone = join('packages', 'trainer');

function currentSurroundings(): DmSurroundings {
  return { script: process.argv[1] ?? '', env: process.env, cwd: workingFolder(), platform: process.platform };
}

/** The root if the working folder was removed. */
function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    return resolve(sep);
  }
}

function isWithin(folder: string, path: string): boolean {
  const [first] = relative(folder, path).split(sep);
  return first !== '..';
}

/**
 * `text`, a name or path, as one argument for a POSIX shell, or for Windows' `cmd` and PowerShell. A leading dash, which
 * would make it an option, becomes `./-`.
 */
function quoteArgument(text: string, platform: NodeJS.Platform): string {
  const safe = text.startsWith('-') ? `./${text}` : text;
  if (/^[\w@+:,./-]+$/.test(safe) || /^<[\w .-]+>[\w.]*$/.test(safe)) return safe;
  if (platform !== 'win32') return `'${safe.replaceAll("'", String.raw`'\''`)}'`;
  // Windows allows no double quotes in names.
  return /^[\w@+:,./\\-]+$/.test(safe) ? safe : `"${safe}"`;
}
