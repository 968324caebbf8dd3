/** The page of the command line: the help texts of all commands, as `dm <command> --help` prints them. */
import { execFileSync } from 'node:child_process';

/** @param {string} dm @param {readonly string[]} args */
const helpOf = (dm, args) =>
  execFileSync(process.execPath, [dm, ...args, '--help'], {
    encoding: 'utf8',
    stdio: 'pipe',
    env: { ...process.env, NO_COLOR: '1' },
  });

/**
 * The names in the list of commands of a help text, without `help`.
 *
 * @param {string} help
 */
function commandsIn(help) {
  const list = /^Commands:\n((?: {2}.*\n?)+)/m.exec(help)?.[1] ?? '';
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].flatMap(([, name]) =>
    name === undefined || name === 'help' ? [] : [name],
  );
}

/**
 * The page as Markdown: a section for each command, and for each of its subcommands.
 *
 * @param {string} dm path of the command's script
 */
export function commandLinePage(dm) {
  /** @type {(args: string[]) => string[]} */
  const sections = (args) => {
    const help = helpOf(dm, args);
    const title = `${'#'.repeat(Math.min(3, args.length + 1))} ${args.length === 0 ? 'Command line' : ['dm', ...args].join(' ')}`;
    return [
      `${title}\n\n\`\`\`text\n${help.trim()}\n\`\`\`\n`,
      ...commandsIn(help).flatMap((name) => sections([...args, name])),
    ];
  };
  return sections([]).join('\n');
}
