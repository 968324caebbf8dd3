// Every function and class that a package exports has a doc comment, which documents exceptions if the function throws,
// and shapes if it takes or returns tensors. The package's README names every exported function and constant.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { root } from '../bootstrap/commands.mjs';

const packages = readdirSync(join(root, 'packages')).filter((name) => existsSync(entryOf(name)));

function entryOf(name: string): string {
  return join(root, 'packages', name, 'src/index.ts');
}

/** File → problems of its exports. */
function complaintsOf(entries: readonly string[]): Map<string, string[]> {
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ESNext,
    resolveJsonModule: true,
    strict: true,
    noEmit: true,
    types: [],
  };
  const program = ts.createProgram([...entries], options);
  const checker = program.getTypeChecker();
  return new Map(
    entries.map((entry) => {
      const file = program.getSourceFile(entry)!;
      const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(file)!);
      return [entry, exported.flatMap((symbol) => complaintsAbout(symbol, checker))];
    }),
  );
}

function complaintsAbout(exported: ts.Symbol, checker: ts.TypeChecker): string[] {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  const isClass = (symbol.flags & ts.SymbolFlags.Class) !== 0;
  const [signature] = symbol.valueDeclaration === undefined ? [] : callsOf(symbol, checker);
  if (!isClass && signature === undefined) return [];
  const tags = symbol.getJsDocTags(checker).map((tag) => `@${tag.name} ${ts.displayPartsToString(tag.text)}`);
  const text = [ts.displayPartsToString(symbol.getDocumentationComment(checker)), ...tags].join('\n').trim();
  if (text === '') return [`${exported.name} has no doc comment`];
  const complaints: string[] = [];
  const hasTag = symbol.getJsDocTags(checker).some(({ name }) => name === 'throws');
  if (throws(symbol.valueDeclaration!) && !hasTag && !/\b(throws?|refus\w+|rejects?)\b/i.test(text)) {
    complaints.push(`${exported.name} throws, but its doc comment has no @throws`);
  }
  if (signature !== undefined && takesTensors(signature, checker) && !/\[[^\]]*\]|\bshapes?\b|\brank\b/.test(text)) {
    complaints.push(`${exported.name} takes or returns tensors, but its doc comment has no shape`);
  }
  return complaints;
}

function callsOf(symbol: ts.Symbol, checker: ts.TypeChecker): readonly ts.Signature[] {
  return checker.getSignaturesOfType(checker.getTypeOfSymbol(symbol), ts.SignatureKind.Call);
}

/** Whether its body contains a `throw`, or a call of a function named `require...`, `check...`, or `refuse...`. */
function throws(node: ts.Node): boolean {
  if (ts.isCatchClause(node)) return false; // rethrows
  if (ts.isThrowStatement(node)) return true;
  if (ts.isCallExpression(node) && /^(require|check|refuse)[A-Z]/.test(node.expression.getText())) return true;
  return ts.forEachChild(node, (child) => throws(child) || undefined) ?? false;
}

function takesTensors(signature: ts.Signature, checker: ts.TypeChecker): boolean {
  const types = [...signature.getParameters().map((p) => checker.getTypeOfSymbol(p)), signature.getReturnType()];
  return types.some((type) => /\bTensor(\d|<|\b)/.test(checker.typeToString(type)));
}

/** The functions, classes, and constants exported by an index that consists of `export { ... } from` lines. */
function valuesOf(entry: string): string[] {
  const file = ts.createSourceFile('index.ts', entry, ts.ScriptTarget.ESNext);
  return file.statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement)) return [];
    const { exportClause } = statement;
    if (exportClause === undefined || !ts.isNamedExports(exportClause)) {
      throw new Error('An index must name its exports; found export *.');
    }
    if (statement.isTypeOnly) return [];
    return exportClause.elements.filter(({ isTypeOnly }) => !isTypeOnly).map(({ name }) => name.text);
  });
}

function unnamedIn(readme: string, names: readonly string[]): string[] {
  const words = new Set(readme.match(/[A-Za-z_$][\w$]*/g));
  return names.filter((name) => !words.has(name));
}

const complaints = complaintsOf(packages.map(entryOf));

it.each(packages)('the public functions of @dm/%s are documented', (name) => {
  expect(complaints.get(entryOf(name))).toEqual([]);
});

it.each(packages)('the README of @dm/%s names every function and constant that it exports, one by one', (name) => {
  const readme = readFileSync(join(root, 'packages', name, 'README.md'), 'utf8');
  expect(unnamedIn(readme, valuesOf(readFileSync(entryOf(name), 'utf8')))).toEqual([]);
});

it('finds names that are missing in a README', () => {
  const entry = `export type { A } from './a.js';\nexport { b, type C, d as e } from './b.js';\nexport { bc } from './c.js';`;
  expect(unnamedIn('`bc(x)` and `e`', valuesOf(entry))).toEqual(['b']);
  expect(() => valuesOf("export * from './a.js';")).toThrow('export *');
});

it('finds missing documentation', () => {
  const folder = mkdtempSync(join(tmpdir(), 'documentation-'));
  const file = join(folder, 'entry.ts');
  writeFileSync(
    file,
    `interface Tensor { readonly id: number }
     export function bare() {}
     export class Bare {}
     /** Of a number. */
     export const silent = (x: number) => { if (x > 1) throw new Error('x'); };
     /** Of tensors. Throws an Error. */
     export function shapeless(x: Tensor): Tensor { throw new Error(String(x)); }
     /**
      * Of a number.
      * @throws {RangeError} if x > 1
      */
     export const tagged = (x: number) => { if (x > 1) throw new RangeError('x'); };
     /** x [N] to [N]. */
     export function whole(x: Tensor): Tensor { return x; }
     export interface Plain { readonly x: number }
     export const number = 1;`,
  );
  try {
    expect(complaintsOf([file]).get(file)!.toSorted()).toEqual([
      expect.stringMatching(/^Bare .*doc comment$/),
      expect.stringMatching(/^bare .*doc comment$/),
      expect.stringMatching(/^shapeless .*shape$/),
      expect.stringMatching(/^silent .*@throws/),
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
