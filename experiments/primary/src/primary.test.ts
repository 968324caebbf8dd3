import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFigure } from '@dm/experiments';
import { FileError, makeFolder } from '@dm/files';
import { analyze, isTooWide, untilFailure, verdictOf } from './analysis.js';
import { figuresOf } from './figures.js';
import { commitOf, frozenCommit } from './frozen.js';
import { planOf, referencesOf } from './plan.js';
import { baseline, finalRecipes, linearDecay, method, type Prediction, type Recipe } from './recipes.js';
import { mergedSection, reportText, speedupSection, valuesSection, writeReport } from './report.js';
import { openResults, preregHash, type Point, type Results, type TrialResult } from './results.js';
import { card, laptop, type Endpoint, type Size } from './sizes.js';
import {
  confirmations,
  finals,
  firstTuning,
  furtherTuning,
  resolvedConfigOf,
  secondary,
  secondTuning,
  trialName,
  tunedRates,
  type Rates,
  type Run,
  type Trial,
} from './trials.js';

const home = fileURLToPath(new URL('..', import.meta.url));
const rates = { epsilon: { constant: 1e-3, decayed: 2e-3 }, v: { constant: 1e-3, decayed: 4e-3 } };
const ofCard = { epsilon: { constant: 1e-3, decayed: 1e-3, scheduleFree: 1e-3 } };
/** The commit of simulated finals. */
const commit = '0'.repeat(40);
const edges = Array.from({ length: 10 }, (_, i) => i);

describe('the plan', () => {
  it('is valid for the trainer, and every name is unique', () => {
    for (const [size, tuned] of [
      [laptop, rates],
      [card, ofCard],
    ] as const) {
      const trials = [...firstTuning(size), ...finals(size, tuned), ...secondary(size, tuned)];
      for (const trial of trials) {
        expect(resolvedConfigOf(trial, size, 'data.shard', 'out').totalSteps).toBe(trial.steps);
      }
      expect(new Set(trials.map(trialName)).size).toBe(trials.length);
    }
  });

  it('trains whole blocks of a seed, the baseline four times as long', () => {
    const trials = finals(laptop, rates);
    const perSeed = 2 + 2 * (finalRecipes.epsilon.length + finalRecipes.v.length);
    expect(trials.map(({ seed }) => seed)).toEqual(
      [101, 102, 103, 104].flatMap((seed) => Array<number>(perSeed).fill(seed)),
    );
    expect(trials[0]).toMatchObject({ recipe: baseline, steps: 32_000, measureAt: [4000, 8000, 16_000, 32_000] });
  });

  it('tunes again around the best two rates, and chooses the best', () => {
    const first = firstTuning(laptop);
    // The lower the distance to 1.1e-3, the better.
    const score = (trial: Trial) => Math.abs(Math.log(trial.lr / 1.1e-3));
    const scores = new Map(first.map((trial) => [trialName(trial), score(trial)]));
    const second = secondTuning(laptop, scores);
    const ofOne = second.filter(({ prediction, recipe }) => prediction === 'v' && recipe === linearDecay);
    expect(ofOne.map(({ lr }) => lr)).toEqual([7.07e-4, 1e-3, 1.41e-3, 2e-3, 2.83e-3]);
    for (const trial of second) scores.set(trialName(trial), score(trial));
    expect(tunedRates(laptop, runsOf(second, scores)).v).toEqual({ constant: 1e-3, decayed: 1e-3 });
    expect(confirmations(laptop, runsOf(second, scores))).toEqual([]);
    expect(furtherTuning(laptop, second, scores)).toEqual([]);
  });

  it('tunes further while the best rate is the lowest or the highest tried', () => {
    const first = firstTuning(laptop);
    // The optimum of v with linear decay is above the rates of the second round, that of epsilon below.
    const optimum = ({ prediction, recipe }: Trial) =>
      recipe !== linearDecay ? 1.41e-3 : prediction === 'v' ? 8e-3 : 2e-4;
    const scores = new Map<string, number>();
    const measure = (trials: readonly Trial[]) => {
      for (const trial of trials) scores.set(trialName(trial), Math.abs(Math.log(trial.lr / optimum(trial))));
    };
    measure(first);
    const tried = secondTuning(laptop, scores);
    measure(tried);
    const rounds: string[][] = [];
    for (;;) {
      const round = furtherTuning(laptop, tried, scores);
      if (round.length === 0) break;
      rounds.push(round.map(({ prediction, lr }) => `${prediction} ${lr}`));
      measure(round);
      tried.push(...round);
    }
    expect(rounds).toEqual([['epsilon 0.00025', 'v 0.008'], ['epsilon 0.000177', 'v 0.0113'], ['epsilon 0.000125']]);
    expect(tunedRates(laptop, runsOf(tried, scores))).toEqual({
      epsilon: { constant: 1.41e-3, decayed: 1.77e-4 },
      v: { constant: 1.41e-3, decayed: 8e-3 },
    });
  });

  describe('of which a learning rate failed', () => {
    const run = (lr: number, e1: number, more: Partial<Run> = {}): Run => ({
      stage: 'tuning',
      prediction: 'epsilon',
      recipe: linearDecay.name,
      lr,
      steps: 4000,
      e1,
      ...more,
    });
    const tuned = [run(4e-3, 0.0643), run(5.66e-3, 0.064), run(8e-3, 0.0637), run(0.0113, 0.0636), run(0.016, 0.0633)];
    const others = [
      run(1e-3, 0.06, { recipe: baseline.name }),
      run(1e-3, 0.06, { prediction: 'v' }),
      run(1e-3, 0.06, { prediction: 'v', recipe: baseline.name }),
      // Slow, but not failed: what N / 4 reaches does not count.
      run(1e-3, 0.09, { steps: 2000 }),
    ];
    const chosen = (...more: Run[]) => tunedRates(laptop, [...tuned, ...others, ...more]).epsilon!.decayed;

    it('takes the best rate an octave below', () => {
      expect(chosen()).toBe(0.016);
      expect(chosen(run(0.0226, 0.92))).toBe(0.0113);
      expect(chosen(run(0.0226, Infinity))).toBe(0.0113);
      // At 1.2 times the best, a run is bad, but has not failed.
      expect(chosen(run(0.0226, 0.0759))).toBe(0.016);
      expect(chosen(run(0.0226, 0.076))).toBe(0.0113);
    });

    it('counts longer runs, and of interrupted finals only that they failed', () => {
      expect(chosen(run(0.0226, 0.92), run(0.016, 0.86, { steps: 8000, stage: 'finals' }))).toBe(8e-3);
      expect(chosen(run(0.0226, 0.92), run(5.66e-3, 0.01, { stage: 'finals' }))).toBe(0.0113);
    });

    it('refuses if no rate is that low', () => {
      expect(() => chosen(run(5.66e-3, 0.92))).toThrow('0.00566 failed');
    });

    it('is confirmed by runs of N steps, which may fail, too', () => {
      const failed = [...tuned, ...others, run(0.0226, 0.92)];
      const of = (trials: readonly Trial[]) =>
        trials.map(({ prediction, recipe, lr, steps, seed }) => [prediction, recipe.name, lr, steps, seed]);
      expect(of(confirmations(laptop, failed))).toEqual([
        ['epsilon', 'linear', 0.0113, 8000, 1],
        ['epsilon', 'linear', 0.0113, 8000, 2],
      ]);
      const again = [...failed, run(0.0113, 0.061, { steps: 8000 }), run(0.0113, 0.5, { steps: 8000 })];
      expect(of(confirmations(laptop, again)).map(([, , lr]) => lr)).toEqual([5.66e-3, 5.66e-3]);
    });
  });
});

/** The trials as runs, with E1 by the trial's name. */
function runsOf(trials: readonly Trial[], scores: ReadonlyMap<string, number>): Run[] {
  return trials.map(({ recipe, ...trial }) => ({
    ...trial,
    recipe: recipe.name,
    e1: 0.06 * (1 + 0.01 * scores.get(trialName({ recipe, ...trial }))!),
  }));
}

/** Results in which recipes other than the baseline are `speedup` times as fast, and linear decay 1.3 times. */
function simulated(
  speedup: number,
  seeds: readonly number[],
  { size = laptop, rates: own = rates }: { readonly size?: Size; readonly rates?: Rates } = {},
): TrialResult[] {
  const loss = (steps: number) => 0.0545 + 0.0219 * (steps / 1000) ** -0.6;
  return finals(size, own, seeds).map((trial, i): TrialResult => {
    const factor = trial.recipe === baseline ? 1 : trial.recipe === linearDecay ? 1.3 : speedup;
    const noise = 1 + 0.0005 * Math.sin(i * 12.9898);
    const point = (step: number): Point => {
      const value = loss(step * factor) * noise;
      const losses = { ema: { geometricMean: value, buckets: edges.map((k) => value * (1 + k)) } };
      return { step, images: step * size.batchSize, losses, fd: 1000 * value, kd: value / 10 };
    };
    return {
      name: trialName(trial),
      stage: trial.stage,
      prediction: trial.prediction,
      recipe: trial.recipe.name,
      lr: trial.lr,
      seed: trial.seed,
      steps: trial.steps,
      size: size.name,
      measuredOn: 'test',
      points: trial.measureAt.map(point),
      seconds: { training: 1, measuring: 1 },
      machine: 'none',
      code: commit,
      prereg: preregHash(home, size),
    };
  });
}

describe('the analysis', () => {
  const wiener = { geometricMean: 1, buckets: edges.map((k) => 0.062 * (1 + k)) };
  const bounds = { wiener, posteriorMean: wiener };

  it('finds the speed-up, its verdict, and what the decay contributes', () => {
    const { rows, overDecay, seeds } = analyze(simulated(2.4, [101, 102, 103]), laptop, { bounds });
    expect(seeds).toEqual([101, 102, 103]);
    const find = (prediction: Prediction, recipe: string) =>
      rows.find((row) => row.prediction === prediction && row.recipe === recipe && row.endpoint === 'E1')!;
    for (const prediction of ['epsilon', 'v'] as const) {
      const { estimate, verdict, adjustedP } = find(prediction, method.name);
      expect(Math.exp(estimate.value)).toBeCloseTo(2.4, 1);
      expect(verdict).toBe('supported');
      expect(adjustedP).toBeLessThan(0.05);
      expect(find(prediction, linearDecay.name).verdict).toBeUndefined();
    }
    expect(rows.filter(({ adjustedP }) => adjustedP !== undefined)).toHaveLength(4);
    expect(Math.exp(overDecay[0]!.ratio!.value)).toBeCloseTo(2.4 / 1.3, 1);
  });

  it('refutes a speed-up of 1.2 at this scale', () => {
    const { rows } = analyze(simulated(1.2, [101, 102, 103]), laptop, { bounds });
    expect(rows.filter(({ verdict }) => verdict === 'refuted at this scale')).toHaveLength(4);
    expect(verdictOf({ value: 0.7, low: 0.3, high: 1.1 })).toBe('undecided');
  });

  const row = (results: readonly TrialResult[], prediction: Prediction, endpoint: Endpoint, recipe = method) =>
    analyze(results, laptop, { bounds, floor }).rows.find(
      (one) => one.prediction === prediction && one.endpoint === endpoint && one.recipe === recipe.name,
    )!;
  const floor = { fd: { value: 1, spread: 0.1 }, kd: { value: 1e-5, spread: 2e-5 } };
  /** Changes the results of seed 101 with epsilon and a recipe. */
  const changed = (recipe: Recipe, change: (result: TrialResult) => Partial<TrialResult>) =>
    simulated(1.2, [101, 102, 103]).map((result) =>
      result.seed === 101 && result.prediction === 'epsilon' && result.recipe === recipe.name
        ? { ...result, ...change(result) }
        : result,
    );

  it('takes a kernel distance that is not positive for a low one, not for a failure', () => {
    const results = changed(method, ({ points }) => ({ points: points.map((point) => ({ ...point, kd: -1e-6 })) }));
    const { estimate, adjustedP, verdict } = row(results, 'epsilon', 'KD');
    expect(estimate).toMatchObject({ high: Infinity, bounds: 1 });
    expect(estimate.low).toBeGreaterThan(-Infinity);
    expect([adjustedP, verdict]).toEqual([1, 'undecided']);
    // Still one of four tests.
    const others = analyze(results, laptop, { bounds, floor }).rows.filter((one) => one.adjustedP !== undefined);
    expect(others).toHaveLength(4);
  });

  it('gives no verdict if a baseline diverged before two measurements', () => {
    const results = changed(baseline, ({ points }) => ({ hasDiverged: true, points: points.slice(0, 1) }));
    const { estimate, verdict } = row(results, 'epsilon', 'E1');
    expect([estimate.low, estimate.high, verdict]).toEqual([-Infinity, Infinity, 'undecided']);
    expect(estimate.value).toBeCloseTo(Math.log(1.2), 1);
    expect(isTooWide(analyze(results, laptop, { bounds, floor }))).toBe(false);
    expect(row(results, 'v', 'E1').verdict).toBe('refuted at this scale');
  });

  it('shows nothing as an estimate if no seed has a value', () => {
    const results = simulated(1.2, [101, 102]).map((result) =>
      result.recipe === baseline.name ? { ...result, hasDiverged: true as const, points: [] } : result,
    );
    const page = speedupSection({ ...analyze(results, laptop, {}), plannedSeeds: 4, isPreliminary: true }).join('\n');
    expect(page).toContain(`| v | KD | ${method.name} | unknown | unknown | 2 | 1.00 |`);
  });

  it('bounds the speed-up of a diverged run by the start of the curve, and uses what a diverged baseline reached', () => {
    const diverged = changed(method, () => ({ hasDiverged: true, points: [] }));
    const { low, high, bounds: count } = row(diverged, 'epsilon', 'E1').estimate;
    expect([low, count]).toEqual([-Infinity, 1]);
    expect(high).toBeLessThan(1);
    const early = changed(baseline, ({ points }) => ({ hasDiverged: true, points: points.slice(0, 3) }));
    expect(row(early, 'epsilon', 'E1').estimate.value).toBeCloseTo(Math.log(1.2), 1);
  });

  it('ends a run that failed with finite losses at its failure', () => {
    const worse = (factor: number, from: number) =>
      changed(baseline, ({ points }) => ({
        points: points.map((point) =>
          point.step < from
            ? point
            : {
                ...point,
                kd: 1,
                losses: {
                  ema: { ...point.losses['ema']!, geometricMean: factor * point.losses['ema']!.geometricMean },
                },
              },
        ),
      }));
    // Without the rule, a baseline that is bad at 4 N would make every recipe four times as fast.
    for (const endpoint of ['E1', 'KD'] as const) {
      const { value, bounds: count } = row(worse(1.3, 32_000), 'epsilon', endpoint).estimate;
      expect(count).toBe(0);
      expect(value).toBeCloseTo(row(simulated(1.2, [101, 102, 103]), 'epsilon', endpoint).estimate.value, 2);
    }
    // The curve ends at N/2: with one point, nothing is known.
    expect(row(worse(1.3, 8000), 'epsilon', 'E1').estimate).toMatchObject({ low: -Infinity, high: Infinity });
    // Noise is not a failure: the last is 2.5% above the point before it.
    const fails = (results: readonly TrialResult[]) =>
      results.filter((result) => untilFailure(result, {}).hasDiverged).map(({ name }) => name);
    expect(fails(worse(1.05, 32_000))).toEqual([]);
    expect(fails(worse(1.3, 32_000))).toEqual(['finals/epsilon.uniform.steps-32000.seed-101']);
    // The other rule is for runs that were never good.
    const ofRecipe = changed(method, ({ points }) => ({
      points: points.map((point) => ({ ...point, losses: { ema: { ...point.losses['ema']!, geometricMean: 0.2 } } })),
    }));
    const strict = { wiener: { ...wiener, geometricMean: 0.0687 }, posteriorMean: wiener };
    const name = 'finals/epsilon.clts-mdlrc.steps-8000.seed-101';
    const ended = ofRecipe.map((one) => untilFailure(one, { bounds: strict }));
    expect(ended.filter(({ hasDiverged }) => hasDiverged)).toMatchObject(
      [name.replace('8000', '4000'), name].map((one) => ({ name: one, points: [] })),
    );
  });

  describe('of which a run failed', () => {
    const times = (factor: number) =>
      changed(method, ({ points }) => ({
        points: points.map((point) => {
          const { geometricMean, buckets } = point.losses['ema']!;
          return { ...point, losses: { ema: { geometricMean: factor * geometricMean, buckets } } };
        }),
      }));
    const strict = { bounds: { wiener: { ...wiener, geometricMean: 0.0687 }, posteriorMean: wiener } };

    it('averages the others', () => {
      const rowOf = (results: readonly TrialResult[]) =>
        valuesSection(results, strict)
          .join('\n')
          .split('\n')
          .find((line) => line.startsWith(`| epsilon | ${method.name} | 8000 |`))!
          .split(' | ');
      const others = times(1).filter(({ seed }) => seed !== 101);
      const [prediction, recipe, step, steps, , , ...values] = rowOf(others);
      expect(rowOf(times(14))).toEqual([prediction, recipe, step, steps, '2', '1', ...values]);
    });

    it('draws the others, and tells so', () => {
      const figure = figuresOf(times(14), laptop, strict).find(({ name }) => name === 'loss-epsilon')!;
      expect(figure.caption).toMatch(/2 runs failed/);
      const { values } = figure.spec.data as unknown as { readonly values: readonly { readonly y: number }[] };
      expect(Math.max(...values.map(({ y }) => y))).toBeLessThan(0.1);
    });
  });

  it('gives no verdict of a prediction type whose baseline does not pass the gate', () => {
    const low = { wiener: { geometricMean: 1, buckets: edges.map(() => 1e-6) }, posteriorMean: wiener };
    const { rows } = analyze(simulated(2.4, [101, 102, 103]), laptop, { bounds: low });
    expect(new Set(rows.flatMap(({ verdict }) => verdict ?? []))).toEqual(new Set(['none: the gate is not passed']));
  });

  it('asks for more seeds if an interval of the method is wide, whatever its sign', () => {
    expect(isTooWide(analyze(simulated(2.4, [101, 102, 103]), laptop, { bounds }))).toBe(false);
    // The method's value of one seed is another by 4%, which is an octave of training.
    const noisy = changed(method, ({ points: [point] }) => {
      const { geometricMean, buckets } = point!.losses['ema']!;
      return { points: [{ ...point!, losses: { ema: { geometricMean: geometricMean * 0.96, buckets } } }] };
    });
    expect(isTooWide(analyze(noisy, laptop, { bounds }))).toBe(true);
  });

  it('compares E1 only on a card, and merges it with the laptop', () => {
    const own = analyze(simulated(2, [101, 102], { size: card, rates: ofCard }), card, { bounds });
    expect(own.rows.map(({ endpoint, recipe }) => `${endpoint} ${recipe}`)).toEqual([
      'E1 linear',
      'E1 clts-mdlrc',
      'E1 schedule-free',
    ]);
    const [complete, other] = [{ isPreliminary: false }, analyze(simulated(2, [101, 102]), laptop, { bounds })];
    const merged = mergedSection({ ...own, ...complete }, { ...other, ...complete }).join('\n');
    expect(merged).toMatch(/clts-mdlrc \| (1\.9|2\.0)/);
    expect(merged).toMatch(/linear \| 1\.[23]/);
    expect(merged).not.toContain('schedule-free');
    expect(merged).not.toContain('Preliminary');
    const partial = mergedSection({ ...own, ...complete }, { ...other, isPreliminary: true }).join('\n');
    expect(partial).toContain('Preliminary');
  });

  it('counts complete seeds only', () => {
    const results = simulated(2, [101, 102]).slice(0, -1);
    expect(analyze(results, laptop, { bounds })).toMatchObject({ seeds: [101], rows: [] });
  });

  it('draws complete seeds only, and counts the baselines of the gate', () => {
    // Of seed 102, the baseline with epsilon and the first recipes are done.
    const results = simulated(2, [101, 102]).slice(0, -12);
    expect(new Set(results.map(({ seed }) => seed))).toEqual(new Set([101, 102]));
    const figures = figuresOf(results, laptop, { bounds });
    expect(figures.map(({ name }) => name)).toEqual(['loss-epsilon', 'loss-v']);
    for (const { caption, spec } of figures) {
      expect(caption).toContain('seeds 101:');
      const { values } = spec.data as unknown as {
        readonly values: readonly { readonly series: string; readonly x: number }[];
      };
      const drawn = values.map(({ series, x }) => `${series} ${x}`);
      expect(new Set(drawn).size).toBe(drawn.length);
    }
    const { gate } = analyze(results, laptop, { bounds });
    expect(gate.map(({ prediction, baselines }) => `${prediction} ${baselines}`)).toEqual([
      ...Array<string>(3).fill('epsilon 2'),
      ...Array<string>(3).fill('v 1'),
    ]);
  });

  it('reads the gate at N, 2N, and 4N', () => {
    // The Wiener filter's loss is between the baseline's at N (0.0608 / 0.95) and at 2N.
    const { gate } = analyze(simulated(2, [101]), laptop, { bounds });
    const ofOne = gate.filter(({ prediction }) => prediction === 'v');
    expect(ofOne.map(({ length, passes }) => [length, passes])).toEqual([
      [1, false],
      [2, true],
      [4, true],
    ]);
  });
});

describe.each([laptop, card])('the committed results of $name', (size) => {
  const results = openResults(home, size);

  it('of the finals carry the hash of the plan and one commit', () => {
    const files = existsSync(results.folder)
      ? readdirSync(results.folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.includes('seed-'))
      : [];
    const read = files.map((path) => JSON.parse(readFileSync(join(results.folder, path), 'utf8')) as TrialResult);
    const measuredOnTest = read.filter(({ stage }) => stage !== 'tuning');
    const hash = preregHash(home, size);
    expect(measuredOnTest.filter(({ prereg }) => prereg !== hash).map(({ name }) => name)).toEqual([]);
    const recorded = (results.read('code') as { commit: string } | undefined)?.commit;
    expect(measuredOnTest.filter(({ code }) => code !== recorded).map(({ name }) => name)).toEqual([]);
    expect(files.map((path) => path.replaceAll('\\', '/').replace(/\.json$/, '')).toSorted()).toEqual(
      read.map(({ name }) => name).toSorted(),
    );
  });

  it('are what the page shows', () => {
    const page = join(results.folder, 'README.md');
    if (!existsSync(results.folder)) return;
    expect(readFileSync(page, 'utf8')).toBe(reportText(results, size));
  });

  it('are what the figures show', async () => {
    if (!existsSync(results.folder)) return;
    const figures = figuresOf(
      planOf(size, results).parts.flatMap(({ done }) => done),
      size,
      referencesOf(results),
    );
    const committed = join(results.folder, 'figures');
    expect(readdirSync(committed).toSorted()).toEqual(figures.map(({ name }) => `${name}.svg`).toSorted());
    const folder = mkdtempSync(join(tmpdir(), 'dm-primary-'));
    for (const figure of figures) await writeFigure(folder, figure);
    for (const { name } of figures) {
      const [drawn, expected] = [folder, committed].map((one) => readFileSync(join(one, `${name}.svg`), 'utf8'));
      expect(drawn === expected, name).toBe(true);
    }
    rmSync(folder, { recursive: true });
  });
});

describe('the folder of results', () => {
  let folder: string;
  let results: Results;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dm-primary-'));
    copyFileSync(join(home, 'PREREG.md'), join(folder, 'PREREG.md'));
    results = openResults(folder, laptop);
    await results.write('code', { commit });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  describe('of a final', () => {
    const [trial] = finals(laptop, rates, [101]) as [Trial];
    const [result] = simulated(1, [101]) as [TrialResult];

    it.each([
      ['lr', { lr: 0.016 }],
      ['seed', { seed: 102 }],
      ['steps', { steps: 8000 }],
      ['size', { size: 'card' }],
      ['recipe', { recipe: 'linear' }],
      ['prereg', { prereg: 'f'.repeat(64) }],
      ['code', { code: 'f'.repeat(40) }],
      ['measuredOn', { measuredOn: 'validation' }],
      ['measured steps', { points: result.points.slice(0, 3) }],
      ['points.0.losses', { points: [{ ...result.points[0]!, losses: {} }] }],
      ['seconds', { seconds: 'many' }],
    ])('refuses another %s', async (field, change) => {
      await results.save({ ...result, ...(change as object) });
      expect(() => results.find(trial)).toThrowWith({
        type: FileError,
        code: 'FILE_INVALID',
        contains: [join(results.folder, `${trialName(trial)}.json`), field],
      });
    });

    it('refuses results that no recorded commit has', async () => {
      await results.save(result);
      expect(results.find(trial)).toEqual(result);
      rmSync(join(results.folder, 'code.json'));
      expect(() => results.find(trial)).toThrowWith({ type: FileError, contains: ['code.json', commit] });
    });

    it('reads a loss of null as NaN: the run failed', async () => {
      const points = result.points.map((point, i) =>
        i === 1 ? { ...point, losses: { ema: { geometricMean: NaN, buckets: [NaN] } } } : point,
      );
      await results.save({ ...result, points });
      const found = results.find(trial)!;
      expect(found.points[1]!.losses['ema']).toEqual({ geometricMean: NaN, buckets: [null] });
      expect(untilFailure(found, {})).toMatchObject({ points: points.slice(0, 1), hasDiverged: true });
    });

    it('leaves the code and the plan of tuning open', async () => {
      const [tuned] = firstTuning(laptop) as [Trial];
      const { recipe, stage, lr, steps, prediction, seed } = tuned;
      const points = [{ ...result.points[0]!, step: steps }];
      const own = {
        stage,
        prediction,
        recipe: recipe.name,
        lr,
        seed,
        steps,
        points,
        measuredOn: 'validation',
      } as const;
      const saved = { ...result, ...own, name: trialName(tuned), code: 'another', prereg: 'another' };
      await results.save(saved);
      expect(results.find(tuned)).toEqual(saved);
    });
  });

  it('tells what is next, part by part', async () => {
    expect(planOf(laptop, results).next).toMatchObject({ stage: 'tuning', steps: 2000 });
    expect(planOf(laptop, results).pending).toEqual(firstTuning(laptop));
    const [{ points, ...rest }] = simulated(1, [101]) as [TrialResult];
    const save = async (trials: readonly Trial[], failing: readonly number[] = []) => {
      for (const { recipe, ...trial } of trials) {
        // The optimum is a learning rate of 2e-3.
        const e1 = failing.includes(trial.lr) ? 1 : 0.06 * (1 + 0.01 * Math.abs(Math.log(trial.lr / 2e-3)));
        const point = { ...points[0]!, step: trial.steps, losses: { ema: { geometricMean: e1, buckets: [] } } };
        const name = trialName({ recipe, ...trial });
        const own = { ...rest, ...trial, recipe: recipe.name, name, measuredOn: 'validation' } as const;
        await results.save({ ...own, points: [point] });
      }
    };
    await save(firstTuning(laptop).slice(0, 5));
    expect(planOf(laptop, results).pending).toEqual(firstTuning(laptop).slice(5));
    await save(firstTuning(laptop));
    const { next, parts } = planOf(laptop, results);
    expect(next).toMatchObject({ stage: 'tuning', steps: 4000 });
    // A rate at the edge of stability: another one is used, and confirmed.
    await save(parts[1]!.trials, [2.83e-3]);
    expect(planOf(laptop, results).pending.map(({ lr, steps, seed }) => [lr, steps, seed])).toEqual(
      Array.from({ length: 4 }, () => [1, 2].map((seed) => [1.41e-3, 8000, seed])).flat(),
    );
    expect(planOf(laptop, results).rates).toBeUndefined();
    await save(planOf(laptop, results).pending, [1.41e-3]);
    expect(planOf(laptop, results).pending[0]).toMatchObject({ stage: 'tuning', lr: 7.07e-4, steps: 8000 });
    await save(planOf(laptop, results).pending);
    const plan = planOf(laptop, results);
    const own = { constant: 7.07e-4, decayed: 7.07e-4 };
    expect(plan.rates).toEqual({ epsilon: own, v: own });
    expect(plan.next).toMatchObject({ stage: 'finals', seed: 101, recipe: baseline });
    expect(reportText(results, laptop)).toContain('finals: 0 of');
    // Seeds that differ little need no others; those of one that differs do.
    const four = simulated(1.2, [101, 102, 103, 104], { rates: plan.rates! });
    for (const result of four) await results.save(result);
    expect(planOf(laptop, results).next).toMatchObject({ stage: 'secondary' });
    for (const result of four.filter(({ seed, recipe }) => seed === 101 && recipe === method.name)) {
      const points = result.points.map((point) => {
        const { geometricMean, buckets } = point.losses['ema']!;
        return { ...point, losses: { ema: { geometricMean: geometricMean * 0.96, buckets } } };
      });
      await results.save({ ...result, points });
    }
    expect(planOf(laptop, results).next).toMatchObject({ stage: 'finals', seed: 105 });
    // Until all of them are complete, the report shows the first ones.
    const isOfFour = (text: string) => text.includes('4 of 6') && text.includes('seeds 101, 102, 103, 104)');
    const pages = [reportText(results, laptop)];
    const more = simulated(1.2, [105, 106], { rates: plan.rates! });
    for (const result of more.filter(({ seed }) => seed === 105)) await results.save(result);
    pages.push(reportText(results, laptop));
    expect(pages.map((page) => [page.includes('Preliminary'), isOfFour(page)])).toEqual([
      [true, true],
      [true, true],
    ]);
    for (const result of more) await results.save(result);
    const report = reportText(results, laptop);
    expect(report).toContain('devices: cpu (');
    expect(report).toContain('threads: ');
    expect(report).toContain('seeds 101, 102, 103, 104, 105, 106');
    expect(report).not.toContain('Preliminary');
    expect(report).toContain('figures/loss-v.svg');
    const figures = join(results.folder, 'figures');
    makeFolder(figures);
    writeFileSync(join(figures, 'loss-x.svg'), '');
    await writeReport(results, laptop);
    expect(readdirSync(figures).toSorted()).toEqual(['learning-rates.svg', 'loss-epsilon.svg', 'loss-v.svg']);
  });
});

describe('the commit of the finals', () => {
  let folder: string;
  const run = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8' }).trim();
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dm-primary-'));
    run('init', '-q');
    writeFileSync(join(folder, 'code.ts'), '1');
    run('add', '.');
    run('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-qm', 'first');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is recorded once, and stays when others follow', async () => {
    const results = openResults(folder, laptop);
    const commit = await frozenCommit(folder, results, commitOf(folder));
    expect(commit).toBe(commitOf(folder));
    // Results may be uncommitted.
    run('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-q', '--allow-empty', '-m', 'second');
    expect(await frozenCommit(folder, results, commit)).toBe(commit);
    expect(commitOf(folder)).not.toBe(commit);
  });

  it('is refused while code is changed', async () => {
    writeFileSync(join(folder, 'code.ts'), '2');
    const results = openResults(folder, laptop);
    await expect(frozenCommit(folder, results, commitOf(folder))).rejects.toThrow('code.ts');
  });

  it('is refused if it is not the one that the program was started with', async () => {
    const results = openResults(folder, laptop);
    await expect(frozenCommit(folder, results, '0'.repeat(40))).rejects.toThrow('Run it again');
    expect(results.read('code')).toBeUndefined();
  });
});
