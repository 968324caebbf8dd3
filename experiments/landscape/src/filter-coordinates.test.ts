import { filterNormalizedDirection, hessianSpectrum, type Objective } from '@dm/eval';
import { flatLayout } from '@dm/ops';
import { expect, it } from 'vitest';
import { filterNorms, scaledObjective } from './filter-coordinates.js';

const layout = flatLayout([
  { name: 'kernel', shape: [2, 2, 3, 4], group: 'matrix' },
  { name: 'bias', shape: [4], group: 'vector' },
  { name: 'table', shape: [5, 3], group: 'embedding' },
]);
const params = Float64Array.from({ length: layout.size }, (_, i) => Math.sin(3 * i + 1));

it('the norms are those of filter-normalized directions', () => {
  const norms = filterNorms(params, layout);
  const direction = filterNormalizedDirection(params, layout, 0, 0);
  // In units of the norms, a direction has length 1 in each of the 4 + 5 filters.
  const z = direction.map((value, i) => (norms[i]! > 0 ? value / norms[i]! : 0));
  expect(z.reduce((sum, value) => sum + value ** 2, 0)).toBeCloseTo(9, 12);
  for (let f = 0; f < 4; f++) {
    const filter = z.filter((_, i) => i < 48 && i % 4 === f);
    expect(filter.reduce((sum, value) => sum + value ** 2, 0)).toBeCloseTo(1, 12);
  }
  expect([...norms.subarray(48, 52)]).toEqual([0, 0, 0, 0]);
});

it('the spectrum is the one of S H S, and does not change when a filter is rescaled', async () => {
  // L(p) = sum_i c_i (p_i / s_i)^2 / 2 with the filter norms s of p: invariant when p and s are rescaled together.
  const curvature = Float64Array.from(params, (_, i) => i - 5);
  const spectrumAt = (p: Float64Array) => {
    const norms = filterNorms(p, layout);
    const safe = norms.map((value) => value || 1);
    const objective: Objective = {
      size: layout.size,
      loss: (w) =>
        Promise.resolve(
          Array.from(w).reduce((sum, value, i) => sum + (curvature[i]! * (value / safe[i]!) ** 2) / 2, 0),
        ),
      gradient: (w) => Promise.resolve(Float64Array.from(w, (value, i) => (curvature[i]! * value) / safe[i]! ** 2)),
    };
    return hessianSpectrum(scaledObjective(objective, p, norms), new Float64Array(layout.size), {
      steps: layout.size,
      top: 2,
    });
  };
  const { largest, smallest } = await spectrumAt(params);
  // In the coordinates z the Hessian is diag(c), without the bias (indices 48 to 51): 61 and 60, -5 and -4.
  expect(largest.map(({ value }) => value)).toEqual([expect.closeTo(61, 6), expect.closeTo(60, 6)]);
  expect(smallest.map(({ value }) => value)).toEqual([expect.closeTo(-5, 6), expect.closeTo(-4, 6)]);
  const rescaled = params.map((value, i) => (i < 48 && i % 4 === 2 ? 7 * value : value));
  expect((await spectrumAt(rescaled)).largest[0]!.value).toBeCloseTo(largest[0]!.value, 6);
});
