// The search and its conclusion from synthetic results whose answer is known.
import { createMemoryDataset } from '@dm/data';
import { describe, expect, it } from 'vitest';
import { createPhases, trialFields, type CurveResult, type StepTimeResult, type StepTimeTrial } from '@dm/experiments';
import { isStepTimes, recipeSearch, type AnySearchResult, type AnySearchTrial } from './recipe-search.js';
import { BASELINE, changes, families, type Change } from './recipes.js';
import { edgeTrials, helpfulChanges, tunedFamilies, winner } from './selection.js';
import { LENGTHS, searchTrial, type SearchTrial } from './trial.js';

/** The best learning rate of every family, and how much faster than the baseline's family it is. */
const bestLr = 4e-3;
const speedOf: Readonly<Record<string, number>> = { 'muon-linear': 2, linear: 1.2 };
/** Factors by which changes make training faster. */
const speedOfChange: Readonly<Record<string, number>> = {
  flow: 1.5,
  'x0-v': 1.2,
  clts: 1.1,
  'min-snr': 1.05,
  laplace: 0.9,
};

const isTraining = (trial: AnySearchTrial): trial is SearchTrial => trial.stage !== 'clock';

/** A loss that falls by a tenth per octave of images x speed. */
function resultOf(trial: SearchTrial, faster: number): CurveResult {
  const [familyLr, ...tried] = trial.arm.name.split('+');
  const winnerSpeed = 2 * 1.5 * 1.1;
  const speed =
    trial.stage === 'final'
      ? trial.arm.name.startsWith('winner')
        ? faster * winnerSpeed
        : trial.arm.name.startsWith('linear')
          ? 1.2
          : 1
      : (speedOf[familyLr!.split('-lr')[0]!] ?? 1) *
        tried.reduce((product, name) => product * (speedOfChange[name] ?? 0.8), 1);
  const { lr } = trial.arm.recipe.optimizer;
  const detuned = trial.stage === 'final' ? 0 : 0.02 * Math.log2(lr / bestLr) ** 2;
  // Seeds differ a little, so that intervals are not empty.
  const noise = 1 + 1e-4 * trial.seed * (trial.arm.name.length % 3);
  return {
    ...trialFields(trial),
    parameters: 1,
    seconds: { training: 1, measuring: 1 },
    readings: trial.size.readAt.map((images) => {
      const loss = noise * (1 + detuned) * 0.9 ** Math.log2(images * speed);
      return {
        images,
        loss,
        buckets: [],
        ...(trial.size.sampleAt.includes(images) && { samples: { fd: 1000 * loss, kd: 10 * loss } }),
      };
    }),
  };
}

function clock(trial: StepTimeTrial, ratio: number): StepTimeResult {
  const names = Object.keys(trial.arm.recipe.recipes);
  const time = (median: number) => ({ median, low: median, high: median, steps: 1 });
  return {
    ...trialFields(trial),
    seconds: { training: 0, measuring: 1 },
    stepMs: Object.fromEntries(names.map((name) => [name, time(name === BASELINE ? 10 : 10 * ratio)])),
    machine: { cpu: 'test', node: '20' },
  };
}

/** Runs all stages, with the winner's finals `faster` times as fast as the search promised, and slower steps. */
function run({ faster = 1, stepRatio = 1.2, stages = 7 } = {}) {
  const results: Record<string, Map<string, AnySearchResult[]>> = {};
  for (const { name, trials } of recipeSearch.stages.slice(0, stages)) {
    const byArm = new Map<string, AnySearchResult[]>();
    for (const trial of trials('laptop', results)) {
      const result = isTraining(trial) ? resultOf(trial, faster) : clock(trial, stepRatio);
      byArm.set(trial.arm.name, [...(byArm.get(trial.arm.name) ?? []), result]);
    }
    results[name] = byArm;
  }
  return results;
}

const done = run();
const searched = done as Record<string, Map<string, CurveResult[]>>;

it('tunes every family, and adds two octaves beyond a best learning rate at an edge', () => {
  expect(tunedFamilies(searched).map(({ family, lr }) => [family.name, lr])).toEqual(
    families.map(({ name, lrs }) => {
      const beyond = [lrs[0]! / 4, lrs[0]! / 2, ...lrs, lrs.at(-1)! * 2, lrs.at(-1)! * 4];
      const nearest = beyond.reduce((a, b) =>
        Math.abs(Math.log(b / bestLr)) < Math.abs(Math.log(a / bestLr)) ? b : a,
      );
      return [name, nearest];
    }),
  );
  const edges = edgeTrials('laptop', { rates: searched['rates']! }).map(({ arm }) => arm.name);
  expect(edges).toContain('muon-lr0.0025');
  expect(edges).toContain('lion-linear-lr0.004');
  expect(edges.filter((name) => name.startsWith(BASELINE))).toEqual([]);
});

it('combines the best change of each part that helps, with the best family', () => {
  expect(helpfulChanges('laptop', searched).map(({ name }) => name)).toEqual(['flow', 'clts', 'min-snr']);
  expect([...searched['together']!.keys()].map((name) => name.split('+').slice(1))).toEqual([
    ['flow', 'clts'],
    ['flow', 'min-snr'],
    ['clts', 'min-snr'],
    ['flow', 'clts', 'min-snr'],
  ]);
  const won = winner('laptop', searched);
  expect(won.family.name).toBe('muon-linear');
  expect(won.changes.map(({ name }) => name)).toEqual(['flow', 'clts', 'min-snr']);
});

describe('changes', () => {
  const dataset = createMemoryDataset({ name: 'gray', images: new Uint8Array(4 * 144), shape: [12, 12, 1] });
  const family = families.find(({ name }) => name === 'muon-linear')!;
  const plan = (set: readonly Change[]) => searchTrial('together', 'smoke', family, 1e-2, set);
  const phases = (set: readonly Change[]) => createPhases(plan(set), dataset)[0]!.setup;
  const plain = phases([]);

  it('have their own names', () => {
    expect(new Set(changes.map(({ name }) => name)).size).toBe(changes.length);
  });

  const parts = ({ config, curriculum, lossWeights, averages }: ReturnType<typeof phases>) => [
    config,
    curriculum.density(0),
    curriculum.density(3),
    lossWeights,
    averages[0]!.decay(3),
  ];

  it.each(changes)('$name is another recipe, whose training can be set up', (change) => {
    expect(plan([change]).arm.recipe).not.toEqual(plan([]).arm.recipe);
    expect(phases([change]).layout.size).toBe(plain.layout.size);
  });

  // Those of `others` change how batches are paired, or follow losses.
  const others = ['immiscible', 'info-noise', 'loss-second-moment'];
  it.each(changes.filter(({ name }) => !others.includes(name)))('$name reaches the setup of the training', (change) => {
    expect(parts(phases([change]))).not.toEqual(parts(plain));
  });

  it('InfoNoise knows the prediction', () => {
    const densityAfter = (set: readonly Change[]) => {
      const { curriculum } = phases([changes.find(({ name }) => name === 'info-noise')!, ...set]);
      const timesteps = Int32Array.from({ length: 1000 }, (_, t) => t);
      let state = curriculum.initialState!();
      for (let k = 0; k < 50; k++)
        state = curriculum.update!(
          state,
          timesteps,
          Float64Array.from(timesteps, () => 1),
        );
      return curriculum.density(500, state);
    };
    expect(densityAfter([])).not.toEqual(densityAfter([changes.find(({ name }) => name === 'epsilon')!]));
  });

  it('the loss weights of rectified flow are those of the change', () => {
    const [flow, weights] = [
      changes.find(({ name }) => name === 'flow')!,
      changes.find(({ name }) => name === 'min-snr')!,
    ];
    expect(phases([flow, weights]).config.lossWeighting).toMatchObject({ type: 'minSnr' });
  });
});

it('finals: four times N of the baseline, three lengths of the winner, the decay and the method, three seeds', () => {
  const names = [...done['final']!.keys()];
  expect(names).toEqual([
    BASELINE,
    ...['winner', 'linear', 'method'].flatMap((name) => LENGTHS.map((length) => `${name}-${length}`)),
  ]);
  expect(searched['final']!.get(BASELINE)!.map(({ seed, size }) => [seed, size.images])).toEqual(
    [0, 1, 2].map((seed) => [seed, 320_000]),
  );
  expect(searched['final']!.get('method-1')![0]!.recipe).toMatchObject({
    curriculum: { name: 'clts' },
    optimizer: { demon: true, compensate: true },
  });
});

it.each([
  { faster: 1, verdict: 'holds', speedup: 3.3 },
  { faster: 0.5, verdict: 'does not hold', speedup: 1.65 },
])('a winner $speedup times as fast as the baseline: the goal $verdict', ({ faster, verdict, speedup }) => {
  const conclusion = recipeSearch.conclude(run({ faster }), 'laptop');
  expect(conclusion.verdict).toBe(verdict);
  const { speedups } = conclusion.numbers as {
    speedups: { arm: string; metric: string; estimate: { value: number } }[];
  };
  const found = speedups.find(({ arm, metric }) => arm === 'winner-0.5' && metric === 'loss')!;
  expect(Math.exp(found.estimate.value)).toBeCloseTo(speedup, 1);
});

it('a step that takes twice as long misses the goal in time', () => {
  expect(recipeSearch.conclude(run({ stepRatio: 2 }), 'laptop').verdict).toBe('does not hold');
});

it('is undecided before the finals and the step times', () => {
  expect(recipeSearch.conclude(run({ stages: 5 }), 'laptop').verdict).toBe('open');
  expect(recipeSearch.conclude(run({ stages: 6 }), 'laptop').verdict).toBe('open');
  expect([...done['clock']!.values()].flat().every(isStepTimes)).toBe(true);
});
