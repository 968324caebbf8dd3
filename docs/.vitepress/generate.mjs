// Writes the generated pages of the site: the READMEs of the packages (packages/*.md), the API reference (api/) from the
// doc comments, and the command line (api/command-line.md) from its help texts. Git ignores them.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { Application, Converter } from 'typedoc';
import { commandLinePage } from './command-line.mjs';
import { packages } from './packages.mjs';

const docs = dirname(dirname(fileURLToPath(import.meta.url)));
const root = dirname(docs);

for (const folder of ['packages', 'api']) rmSync(join(docs, folder), { recursive: true, force: true });
mkdirSync(join(docs, 'packages'));
for (const name of packages) {
  copyFileSync(join(root, 'packages', name, 'README.md'), join(docs, 'packages', `${name}.md`));
}

/** Options of typedoc-plugin-markdown. */
const ofMarkdown = {
  fileExtension: '.md',
  hideBreadcrumbs: true,
  hidePageHeader: true,
  useCodeBlocks: true,
  sanitizeComments: true,
  router: 'module',
  modulesFileName: 'index',
  entryFileName: 'index',
  parametersFormat: 'table',
  propertyMembersFormat: 'table',
  interfacePropertiesFormat: 'table',
  tableColumnSettings: { hideModifiers: true },
};

const app = await Application.bootstrapWithPlugins({
  plugin: ['typedoc-plugin-markdown'],
  entryPoints: packages.map((name) => join(root, 'packages', name, 'src', 'index.ts')),
  tsconfig: join(docs, 'tsconfig.api.json'),
  basePath: root,
  readme: 'none',
  excludePrivate: true,
  excludeInternal: true,
  groupOrder: ['Functions', 'Variables', 'Classes', 'Interfaces', 'Type Aliases', '*'],
  // Errors of types are found by the type check.
  skipErrorChecking: true,
  logLevel: 'Error',
  ...ofMarkdown,
});
// TypeDoc ignores the types of `@throws {RangeError} if ...`, and has no option to show them.
app.converter.on(Converter.EVENT_CREATE_SIGNATURE, (_, signature, declaration) => {
  const written = declaration === undefined ? [] : ts.getJSDocTags(declaration).filter(ts.isJSDocThrowsTag);
  const shown = signature.comment?.blockTags.filter(({ tag }) => tag === '@throws') ?? [];
  for (const [at, tag] of shown.entries()) {
    const type = written[at]?.typeExpression?.type.getText();
    if (type !== undefined) tag.content.unshift({ kind: 'code', text: `\`${type}\`` }, { kind: 'text', text: ' ' });
  }
});
const project = await app.convert();
if (project === undefined) throw new Error('The API reference could not be made; see the messages above.');
// A page per package, with its name instead of the path of its entry.
for (const entry of project.children ?? []) {
  // The inferred type of the schema fills a thousand pages; `dm config schema` prints it as JSON Schema.
  for (const child of entry.children ?? []) if (child.name === 'configSchema') project.removeReflection(child);
  entry.name = entry.name.replace(/^(packages\/)?([a-z]+)\/src.*$/, '$2');
}
await app.outputs.writeOutput({ name: 'markdown', path: join(docs, 'api') }, project);

for (const name of packages) {
  const path = join(docs, 'api', `${name}.md`);
  const lines = readFileSync(path, 'utf8').split('\n');
  const kept = lines.filter((line) => !isOfSchema(line) && !line.startsWith('Defined in: '));
  writeFileSync(path, `# @dm/${name}\n${kept.slice(1).map(withoutSource).map(shortened).join('\n')}`);
}

/**
 * Whether a table row is a field of the configuration: types that are inferred from its schema are written out wherever
 * they occur, and `Config` describes them once.
 *
 * @param {string} line
 */
function isOfSchema(line) {
  return /^\| `[^`]*\..*src\/config\/schema\.ts/.test(line);
}

/** A table row without the column of source files. @param {string} line @param {number} at @param {string[]} lines */
function withoutSource(line, at, lines) {
  const isRule = line.startsWith('| ---') && lines[at - 1]?.endsWith('| Defined in |');
  if (isRule) return line.replace(/ \| -+ \|$/, ' |');
  return line.replace(/ \| (Defined in|(packages|node_modules)\/[^|]*) \|$/, ' |');
}

/** A table row or a paragraph whose type is longer than a page, with a reference instead of the type. @param {string} line */
function shortened(line) {
  if (line.length < 4000) return line;
  const cells = line.split(' | ');
  return cells.map((cell) => (cell.length < 1000 ? cell : 'see `dm config schema`')).join(' | ');
}
writeFileSync(join(docs, 'api', 'command-line.md'), commandLinePage(join(root, 'packages/trainer/dist/cli.js')));
if (app.logger.hasErrors()) process.exitCode = 1;
