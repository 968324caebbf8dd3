// The project graph of Nx has only the dependencies that tools/config/floors.json allows: from a floor to lower floors.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nx, root } from '../bootstrap/commands.mjs';
import floors from '../config/floors.json' with { type: 'json' };
import trainerFolders from '../config/trainer-folders.json' with { type: 'json' };

interface Graph {
  nodes: Record<string, { data: { root: string } }>;
  dependencies: Record<string, { source: string; target: string }[]>;
}

const folder = mkdtempSync(join(tmpdir(), 'graph-'));
let graph: Graph;

beforeAll(async () => {
  const file = join(folder, 'out.json');
  const { status, output } = await nx(['graph', `--file=${file}`], { quiet: true });
  if (status !== 0) throw new Error(output);
  graph = (JSON.parse(readFileSync(file, 'utf8')) as { graph: Graph }).graph;
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The name of a project in floors.json; undefined for a tool. */
function nameOnFloors(project: string) {
  const [first, second] = graph.nodes[project]?.data.root.split('/') ?? [];
  if (first === 'packages') return second;
  return first === 'experiments' ? 'experiments' : undefined;
}

/** The library shared by the experiments; it must not import any of them. */
const experimentsLibrary = 'experiments-lib';

function isExperiment(project: string) {
  return nameOnFloors(project) === 'experiments' && project !== experimentsLibrary;
}

function mayDependOn(from: string, to: string) {
  const reserved: Record<string, string[]> = floors.reserved;
  if (from in reserved) return false;
  if (to in reserved) return reserved[to]!.includes(from);
  const floor = (name: string) => floors.floors.findIndex((names) => names.includes(name));
  return floor(to) < floor(from) || floors.sideways.some(([a, b]) => a === from && b === to);
}

it('knows every package', () => {
  const packages = Object.keys(graph.nodes).map(nameOnFloors);
  const known = new Set([...floors.floors.flat(), ...Object.keys(floors.reserved), undefined]);
  expect(packages.filter((name) => !known.has(name))).toEqual([]);
  const runtimes = packages.filter((name) => name?.startsWith('onnxruntime-'));
  expect(runtimes.length).toBe(5);
  expect(packages.filter((name) => name !== undefined && name !== 'experiments').length).toBe(11 + runtimes.length);
});

it('only has dependencies on lower floors', () => {
  const edges = Object.values(graph.dependencies)
    .flat()
    .filter(({ target }) => target in graph.nodes);
  const packageEdges = edges.filter(({ source }) => nameOnFloors(source) !== undefined);
  const upward = packageEdges.filter(({ source, target }) => {
    if (isExperiment(source) && target === experimentsLibrary) return false;
    const [from, to] = [nameOnFloors(source)!, nameOnFloors(target)];
    return to === undefined || !mayDependOn(from, to);
  });
  expect(upward.map(({ source, target }) => `${source} -> ${target}`)).toEqual([]);
  // Makes sure that Nx found the dependencies at all.
  expect(packageEdges.map(({ source, target }) => `${source} -> ${target}`)).toContain('core -> ops');
});

it('only has development dependencies on lower floors', () => {
  const upward: string[] = [];
  for (const { data } of Object.values(graph.nodes).filter(({ data: { root: at } }) => at.startsWith('packages/'))) {
    const manifest = JSON.parse(readFileSync(join(root, data.root, 'package.json'), 'utf8')) as {
      devDependencies?: Record<string, string>;
    };
    const from = data.root.split('/')[1]!;
    for (const name of Object.keys(manifest.devDependencies ?? {})) {
      const to = /^@dm\/(.*)/.exec(name)?.[1];
      if (to !== undefined && !mayDependOn(from, to)) upward.push(`${from} -> ${to}`);
    }
  }
  expect(upward).toEqual([]);
});

it('assigns a floor to every file and folder in packages/trainer/src', () => {
  const entries = readdirSync(join(root, 'packages/trainer/src')).filter((name) => !name.endsWith('.test.ts'));
  expect(entries.filter((name) => name !== 'testing').toSorted()).toEqual(trainerFolders.floors.flat().toSorted());
  expect(entries.filter((name) => name.endsWith('.ts')).toSorted()).toEqual([
    'browser.ts',
    'cli.ts',
    'core.ts',
    'errors.ts',
    'index.ts',
    'main.ts',
    'train.ts',
  ]);
});
