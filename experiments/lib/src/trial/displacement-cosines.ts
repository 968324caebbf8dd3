/** Detects oscillations during training: cosines between displacements of the parameters. */

/** Maximum lag, in readings, between compared displacements. */
export const LAGS = 8;

export interface DisplacementCosines {
  /** Adds a reading of the parameters, [P]. */
  add(params: Float32Array): void;
  /**
   * Mean cosine between displacements at lags 1 to LAGS, [2, LAGS]: one row for each half of the run. Negative if the
   * parameters oscillate.
   */
  cosines(): readonly (readonly number[])[];
}

export function displacementCosines(): DisplacementCosines {
  let last: Float32Array | undefined;
  const recent: { step: Float32Array; norm: number }[] = [];
  const found: number[][] = [];
  return {
    add(params) {
      if (last !== undefined) {
        const step = new Float32Array(params.length);
        for (let i = 0; i < step.length; i++) step[i] = params[i]! - last[i]!;
        const norm = Math.sqrt(dot(step, step));
        found.push(recent.map((before) => dot(before.step, step) / (before.norm * norm)));
        recent.unshift({ step, norm });
        if (recent.length > LAGS) recent.pop();
      }
      last = params;
    },
    cosines() {
      const half = Math.floor(found.length / 2);
      return [found.slice(0, half), found.slice(half)].map((rows) =>
        Array.from({ length: LAGS }, (_, lag) => {
          const values = rows.map((row) => row[lag]).filter((value) => value !== undefined);
          return values.reduce((sum, value) => sum + value, 0) / values.length;
        }),
      );
    },
  };
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
