// Finds which functions of Node's file system module a source file uses.
import fs from 'node:fs';
import ts from 'typescript';

const modules = new Set(['fs', 'node:fs', 'fs/promises', 'node:fs/promises']);

/** Represents an import whose names are not known, such as a namespace import. */
export const everything = '*';

/**
 * Names of `node:fs` and `node:fs/promises` that the code imports as values, statically, with `import()`, or with
 * `require`; `everything` for imports without names.
 */
export function fileSystemNames(code: string): string[] {
  const source = ts.createSourceFile('code.ts', code, ts.ScriptTarget.Latest, true);
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) && modules.has(node.text)) for (const name of namesAt(node)) names.add(name);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...names].toSorted();
}

function namesAt(module: ts.StringLiteralLike): readonly string[] {
  const { parent } = module;
  if (ts.isImportDeclaration(parent)) return importedNames(parent);
  // Anything else is an `import()`, a `require`, a re-export, or a variable for one of these.
  const names = ts.isCallExpression(parent) ? destructuredNames(parent) : [];
  return names.length > 0 ? names : [everything];
}

function importedNames({ importClause: clause }: ts.ImportDeclaration): readonly string[] {
  if (clause === undefined || clause.isTypeOnly) return [];
  const bindings = clause.namedBindings;
  if (clause.name !== undefined || bindings === undefined || ts.isNamespaceImport(bindings)) return [everything];
  return bindings.elements
    .filter((element) => !element.isTypeOnly)
    .map(({ propertyName, name }) => (propertyName ?? name).text);
}

/** Names in `const { readFileSync } = await import('node:fs')`, also if there are several modules in a list. */
function destructuredNames(call: ts.CallExpression): readonly string[] {
  let at: ts.Node = call;
  while (at.parent !== undefined && !ts.isVariableDeclaration(at) && !ts.isStatement(at)) at = at.parent;
  if (!ts.isVariableDeclaration(at)) return [];
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
      const name = (node.propertyName ?? node.name).getText();
      if (name in fs || name in fs.promises) found.push(name);
    }
    ts.forEachChild(node, visit);
  };
  visit(at.name);
  return found;
}
