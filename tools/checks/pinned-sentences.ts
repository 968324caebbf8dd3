/**
 * Finds tests that compare with whole sentences, which break whenever a message is reworded. Tests should assert the
 * class and code of an error, and the names and values in its message.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from '../bootstrap/commands.mjs';

/** The number of words that make an expected text a sentence. */
const sentence = 5;

/** An expected text with at least `sentence` words of prose in one of its lines. */
export interface Pin {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

const skipped = new Set(['node_modules', 'dist', '.nx', '.git', 'runs', 'fixtures']);

function testFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : testFiles(path);
    return path.endsWith('.test.ts') ? [path] : [];
  });
}

/** The pinned sentences in the tests of a folder of the workspace, for example `packages/ops`. */
export function pinsIn(folder: string): Pin[] {
  return testFiles(folder).flatMap((file) => pinnedSentences(file, readFileSync(join(root, file), 'utf8')));
}

/** The sentences in a test file that assertions expect, each once. */
export function pinnedSentences(file: string, code: string): Pin[] {
  const source = ts.createSourceFile(file, code, ts.ScriptTarget.ESNext, true);
  const found = new Map<number, Pin>();
  for (const expected of expectedValues(source)) {
    for (const { node, text } of textsIn(expected, new Set())) {
      if (!isSentence(text)) continue;
      const start = node.getStart();
      const { line } = source.getLineAndCharacterOfPosition(start);
      found.set(start, { file, line: line + 1, text: text.replaceAll(hole, '…') });
    }
  }
  return [...found.values()].toSorted((a, b) => a.line - b.line);
}

// --- what is a sentence -------------------------------------------------------------------------------------------

const functionWords = new Set(
  `a an the is are was were be been has have had do does did not no nor of to in on at by for from with without into
  and or but if than then that this these those it its must can cannot may should will would could only as so which who
  what when where there their they them one more most each every all any too yet already other another after before
  between here your you`.split(/\s+/),
);

/** A word of prose, with surrounding punctuation; not an identifier, number, path, or option. */
const word = /^["'`([]*(\p{L}+(?:['’-]\p{L}+)*)["'`)\].,:;!?]*$/u;

/** A line of code, of JSON, or of a table in Markdown or with columns separated by spaces. */
const isFixture = (line: string): boolean =>
  /=>|[{};]\s*$|\s={1,3}\s|^\s*[[{].*[\]}]\s*$|^\s*\|.*\|\s*$|\S {2,}\S/.test(line);

function isSentence(text: string): boolean {
  return text.split('\n').some((line) => {
    if (isFixture(line)) return false;
    const words = line
      .replaceAll(/<[^<>]*>/g, ' ')
      .split(/[\s\0]+/)
      .map((token) => word.exec(token)?.[1] ?? '')
      .filter((token) => token !== '' && !/\p{Ll}\p{Lu}/u.test(token));
    // Lists of names and rows of tables contain no function words.
    return words.length >= sentence && words.some((token) => functionWords.has(token.toLowerCase()));
  });
}

/** Placeholder for a template's expression or a regular expression's wildcard. */
const hole = '\0';

/** The literal text of a regular expression. */
function textOfPattern(pattern: string): string {
  return pattern
    .replaceAll(/(?:\\s| )[*+?]*/g, ' ')
    .replaceAll(/\\n/g, '\n')
    .replaceAll(/\\[dDwWSbB]|\[(?:\\.|[^\]\\])*\]|(?<!\\)\./g, hole)
    .replaceAll(/\\([^\w\s])/g, '$1')
    .replaceAll(/(?<!\\)\{\d*,?\d*\}/g, '')
    .replaceAll(/\(\?(?:<?[=!]|:)|[*+?^$]/g, '')
    .replaceAll('|', ' ');
}

// --- which values an assertion expects ----------------------------------------------------------------------------

/** Methods that search for a text; an assertion on their result expects that text. */
const searches = new Set([
  'includes',
  'startsWith',
  'endsWith',
  'indexOf',
  'match',
  'matchAll',
  'search',
  'test',
  'exec',
]);

const methodOf = (node: ts.CallExpression): string =>
  ts.isPropertyAccessExpression(node.expression) ? node.expression.name.text : '';

/** The `expect(...)`, `expect.soft(...)`, or `expect.poll(...)` before `.not.rejects.toThrow`. */
function expectCall(node: ts.Expression): ts.CallExpression | undefined {
  if (ts.isPropertyAccessExpression(node)) return expectCall(node.expression);
  return ts.isCallExpression(node) && /^expect\b/.test(node.expression.getText()) ? node : undefined;
}

function expectedValues(source: ts.SourceFile): ts.Expression[] {
  const values: ts.Expression[] = [];
  const visitActual = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && searches.has(methodOf(node))) {
      values.push(...node.arguments, (node.expression as ts.PropertyAccessExpression).expression);
    }
    ts.forEachChild(node, visitActual);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && methodOf(node).startsWith('to')) {
      const head = expectCall((node.expression as ts.PropertyAccessExpression).expression);
      if (head !== undefined) {
        values.push(...node.arguments);
        for (const actual of head.arguments.slice(0, 1)) visitActual(actual);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return values;
}

interface Text {
  readonly node: ts.Node;
  readonly text: string;
}

/** The literal texts in a value: in arrays and objects, in variables, and in the tables of `it.each`. */
function textsIn(node: ts.Expression, seen: Set<ts.Node>): Text[] {
  if (seen.has(node)) return [];
  seen.add(node);
  const all = (nodes: readonly ts.Expression[]) => nodes.flatMap((each) => textsIn(each, seen));
  const literal = literalText(node);
  if (literal !== undefined) return [{ node, text: literal }];
  if (isWrapper(node)) return textsIn(node.expression, seen);
  if (ts.isConditionalExpression(node)) return all([node.whenTrue, node.whenFalse]);
  if (ts.isBinaryExpression(node)) return all([node.left, node.right]);
  if (ts.isArrayLiteralExpression(node)) return all(node.elements);
  if (ts.isObjectLiteralExpression(node)) return all(node.properties.flatMap(valueOfProperty));
  if (ts.isIdentifier(node) || isAccess(node)) return all(resolved(node));
  if (ts.isNewExpression(node) && node.expression.getText() === 'RegExp') {
    return all(node.arguments ?? []).map((each) => ({ ...each, text: textOfPattern(each.text) }));
  }
  if (!ts.isCallExpression(node)) return [];
  if (node.expression.getText().startsWith('expect.')) return all(node.arguments);
  // ['a', 'b'].join('\n') and 'a'.replace('b', c)
  if (ts.isPropertyAccessExpression(node.expression)) {
    return isLiteral(node.expression.expression) ? all([node.expression.expression]) : [];
  }
  const declared = node.getSourceFile().statements.filter(ts.isFunctionDeclaration);
  const named = declared.filter(({ name }) => name?.text === node.expression.getText());
  return all([...resolved(node.expression), ...named].flatMap(resultsOf));
}

/** The text of a string, a template, a concatenation of these, or a regular expression. */
function literalText(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) {
    return node.head.text + node.templateSpans.map(({ literal }) => hole + literal.text).join('');
  }
  if (ts.isTaggedTemplateExpression(node) && node.tag.getText() === 'String.raw') return literalText(node.template);
  if (ts.isRegularExpressionLiteral(node)) return textOfPattern(node.text.slice(1, node.text.lastIndexOf('/')));
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const sides = [literalText(node.left), literalText(node.right)];
    return sides.every((side) => side === undefined) ? undefined : sides.map((side) => side ?? hole).join('');
  }
  return undefined;
}

const isLiteral = (node: ts.Node): boolean => literalText(node) !== undefined || ts.isArrayLiteralExpression(node);

const isWrapper = (node: ts.Node): node is ts.ParenthesizedExpression | ts.AsExpression | ts.SpreadElement =>
  ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isSatisfiesExpression(node) ||
  ts.isNonNullExpression(node) || ts.isSpreadElement(node); // prettier-ignore

function valueOfProperty(property: ts.ObjectLiteralElementLike): ts.Expression[] {
  if (ts.isPropertyAssignment(property)) return [property.initializer];
  if (ts.isShorthandPropertyAssignment(property)) return [property.name];
  return ts.isSpreadAssignment(property) ? [property.expression] : [];
}

/** The return values of a function; empty if `node` is not a function. */
function resultsOf(node: ts.Node): ts.Expression[] {
  if (!ts.isArrowFunction(node) && !ts.isFunctionExpression(node) && !ts.isFunctionDeclaration(node)) return [];
  if (node.body === undefined) return [];
  if (!ts.isBlock(node.body)) return [node.body];
  return node.body.statements.flatMap((each) =>
    ts.isReturnStatement(each) && each.expression ? [each.expression] : [],
  );
}

// --- names --------------------------------------------------------------------------------------------------------

type Access = ts.PropertyAccessExpression | ts.ElementAccessExpression;

const isAccess = (node: ts.Node): node is Access =>
  ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node);

/** The expressions that a value may be, behind names, properties and wrappers. */
function resolved(node: ts.Expression, depth = 0): ts.Expression[] {
  if (depth > 8) return [];
  if (isWrapper(node)) return resolved(node.expression, depth);
  if (ts.isIdentifier(node)) return valuesOfName(node).flatMap((value) => resolved(value, depth + 1));
  if (!isAccess(node)) return [node];
  const key = ts.isPropertyAccessExpression(node) ? node.name.text : node.argumentExpression.getText();
  return resolved(node.expression, depth + 1)
    .flatMap((value) => part(value, key))
    .flatMap((value) => resolved(value, depth + 1));
}

/** Element or property `key` of a literal. */
function part(node: ts.Expression, key: string): ts.Expression[] {
  if (ts.isArrayLiteralExpression(node)) return node.elements.slice(Number(key), Number(key) + 1);
  if (!ts.isObjectLiteralExpression(node)) return [];
  return node.properties.filter((each) => each.name?.getText() === key).flatMap(valueOfProperty);
}

/** The elements of an array. */
function elementsOf(node: ts.Expression): ts.Expression[] {
  return resolved(node).flatMap((value) => (ts.isArrayLiteralExpression(value) ? [...value.elements] : []));
}

function valuesOfName(name: ts.Identifier): ts.Expression[] {
  for (let scope: ts.Node = name.parent; scope !== undefined; scope = scope.parent) {
    const declared = declarationIn(scope, name.text);
    if (declared !== undefined) return declared;
  }
  return [];
}

/** The values of `name` if `scope` itself declares it. */
function declarationIn(scope: ts.Node, name: string): ts.Expression[] | undefined {
  if (ts.isArrowFunction(scope) || ts.isFunctionExpression(scope) || ts.isFunctionDeclaration(scope)) {
    for (const [index, { name: binding }] of scope.parameters.entries()) {
      const path = pathTo(binding, name);
      if (path !== undefined) return argumentsOf(scope, index).flatMap((value) => follow(value, path));
    }
  } else if (ts.isForOfStatement(scope) && ts.isVariableDeclarationList(scope.initializer)) {
    const path = pathTo(scope.initializer.declarations[0]!.name, name);
    if (path !== undefined) return elementsOf(scope.expression).flatMap((value) => follow(value, path));
  } else if (ts.isBlock(scope) || ts.isSourceFile(scope)) {
    for (const statement of scope.statements) {
      if (!ts.isVariableStatement(statement)) continue;
      for (const { name: binding, initializer } of statement.declarationList.declarations) {
        const path = pathTo(binding, name);
        if (path !== undefined) return initializer === undefined ? [] : follow(initializer, path);
      }
    }
  }
  return undefined;
}

/** The path of keys to `name` in a pattern such as `[a, { b }]`; undefined if it is not in the pattern. */
function pathTo(binding: ts.BindingName, name: string): string[] | undefined {
  if (ts.isIdentifier(binding)) return binding.text === name ? [] : undefined;
  for (const [index, element] of binding.elements.entries()) {
    if (ts.isOmittedExpression(element)) continue;
    const path = pathTo(element.name, name);
    const key = ts.isArrayBindingPattern(binding) ? String(index) : (element.propertyName ?? element.name).getText();
    if (path !== undefined) return [key, ...path];
  }
  return undefined;
}

const follow = (value: ts.Expression, path: readonly string[]): ts.Expression[] =>
  path.reduce((values, key) => values.flatMap((each) => resolved(each)).flatMap((each) => part(each, key)), [value]);

/** Possible values of parameter `index`: rows of `it.each`, elements of an array, or arguments of calls. */
function argumentsOf(callee: ts.SignatureDeclaration, index: number): ts.Expression[] {
  const call = callee.parent;
  if (ts.isCallExpression(call)) {
    const outer = call.expression;
    if (ts.isCallExpression(outer) && /^(each|for)$/.test(methodOf(outer))) {
      const rows = outer.arguments.slice(0, 1).flatMap(elementsOf);
      const isSpread = methodOf(outer) === 'each';
      return rows.flatMap((row) => (isSpread && ts.isArrayLiteralExpression(row) ? part(row, String(index)) : [row]));
    }
    if (ts.isPropertyAccessExpression(outer) && index === 0) return elementsOf(outer.expression);
    return [];
  }
  const name = ts.isVariableDeclaration(call) ? call.name.getText() : callee.name?.getText();
  if (name === undefined) return [];
  const calls: ts.Expression[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && node.expression.getText() === name) {
      calls.push(...node.arguments.slice(index, index + 1));
    }
    ts.forEachChild(node, visit);
  };
  visit(callee.getSourceFile());
  return calls;
}
