/** The JavaScript of docs/browser.md declares or imports every name that it uses. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The JavaScript in the code blocks of a Markdown text. */
const snippetsOf = (markdown: string): string[] =>
  [...markdown.matchAll(/^( *)```js\n(.*?)^ *```$/gms)].map(([, indent, code]) =>
    code!.replaceAll(new RegExp(`^${indent!}`, 'gm'), ''),
  );

/** The names that a module uses without a declaration or an import; a page's globals are declared. */
function undeclaredNames(snippets: readonly string[]): string[] {
  const options: ts.CompilerOptions = {
    allowJs: true,
    checkJs: true,
    noEmit: true,
    noResolve: true, // imports are `any`: only names matter here
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  };
  const host = ts.createCompilerHost(options);
  const onDisk = ts.createCompilerHost(options);
  const files = new Map(snippets.map((code, i) => [`/snippet-${i}.js`, `${code}\nexport {};\n`]));
  host.getSourceFile = (name, target) => {
    const code = files.get(name);
    return code === undefined ? onDisk.getSourceFile(name, target) : ts.createSourceFile(name, code, target);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files.keys()].flatMap((name) =>
    program
      .getSemanticDiagnostics(program.getSourceFile(name))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
      .flatMap((text) => /^(?:Cannot find name|No value exists in scope for)[^']*'(\w+)'/.exec(text)?.[1] ?? []),
  );
}

it('finds names that a snippet neither declares nor imports', () => {
  const text =
    "```js\nimport { a } from 'a';\na(images, { dataset }, document);\n```\n  ```js\n  const b = 1;\n  log(b);\n  ```\n";
  expect(undeclaredNames(snippetsOf(text))).toEqual(['images', 'dataset', 'log']);
});

it('docs/browser.md: every snippet declares what it uses', () => {
  const snippets = snippetsOf(readFileSync(join(root, 'docs/browser.md'), 'utf8'));
  expect(snippets.length).toBeGreaterThanOrEqual(5);
  expect(undeclaredNames(snippets)).toEqual([]);
});
