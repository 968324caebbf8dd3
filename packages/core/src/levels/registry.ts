import { checkOptions } from '@dm/ops';
import type { NoiseSchedule } from '../schedules/schedule.js';
import { edmPath, edmRange } from './edm.js';
import { type DynamicShift, flowPath, type flowSpacings } from './flow.js';
import type { NoisePath } from './level.js';
import { discretePath } from './path.js';
import type { Spacing } from './spacing.js';

/** The level at which the last step ends: `clean` (default), or the noise of timestep 0. Discrete schedules only. */
interface FinalLevel {
  readonly final?: 'clean' | 'first';
}

/** Limits of sigma / alpha, within the noise schedule. */
interface SigmaRange {
  readonly sigmaMin?: number;
  readonly sigmaMax?: number;
}

/** The noise levels that a sampler visits as plain data, for a configuration file. See `discretePath` for the options. */
export type NoisePathConfig = FinalLevel &
  (
    | {
        readonly type: 'discrete';
        /** Default: `trailing` if the last timestep is pure noise, otherwise `leading`. */
        readonly spacing?: Spacing;
        readonly stepsOffset?: number;
        readonly stepEnd?: 'next' | 'stride';
      }
    | { readonly type: 'karras'; readonly rho?: number }
    /** Default range: `edmRange`. */
    | ({ readonly type: 'edm'; readonly rho?: number } & SigmaRange)
    | ({ readonly type: 'exponential' } & SigmaRange)
    | ({ readonly type: 'beta'; readonly alpha?: number; readonly beta?: number } & SigmaRange)
    | {
        readonly type: 'flow';
        readonly shift?: number;
        readonly dynamicShift?: DynamicShift;
        readonly spacing?: (typeof flowSpacings)[number];
      }
  );

/** Noise levels in continuous time as plain data: rectified flow, or EDM. */
export type ContinuousScheduleConfig =
  | { readonly type: 'flow'; readonly shift?: number; readonly timeScale?: number }
  | ({ readonly type: 'edm' } & SigmaRange);

/** The options of each path by its type, in addition to `final`. */
const pathOptions: Readonly<Record<NoisePathConfig['type'], readonly string[]>> = {
  discrete: ['spacing', 'stepsOffset', 'stepEnd'],
  karras: ['rho'],
  edm: ['sigmaMin', 'sigmaMax', 'rho'],
  exponential: ['sigmaMin', 'sigmaMax'],
  beta: ['alpha', 'beta', 'sigmaMin', 'sigmaMax'],
  flow: ['shift', 'dynamicShift', 'spacing'],
};

/** The paths that each process in continuous time can be sampled on. */
const continuousPaths: Readonly<Record<ContinuousScheduleConfig['type'], readonly string[]>> = {
  flow: ['flow'],
  edm: ['edm', 'karras'],
};

/** Whether the last timestep of a schedule is pure noise. */
export function hasZeroTerminalSnr({ alphasCumprod, numTimesteps }: NoiseSchedule): boolean {
  return alphasCumprod[numTimesteps - 1] === 0;
}

/** Trailing if the last timestep is pure noise: it must be visited, and in few steps only trailing spacing does so. */
export function defaultSpacing(schedule: NoiseSchedule): Spacing {
  return hasZeroTerminalSnr(schedule) ? 'trailing' : 'leading';
}

/**
 * Creates the path of a configuration in `steps` steps. On rectified flow, `shift` defaults to the schedule's; on EDM, the
 * range of sigma does.
 * @throws {RangeError} if the type or an option is unknown, a value is out of range, or the path does not fit the schedule
 */
export function noisePathFromConfig(
  { path, steps }: { readonly path: NoisePathConfig; readonly steps: number },
  schedule: NoiseSchedule | ContinuousScheduleConfig,
): NoisePath {
  if (!Object.hasOwn(pathOptions, path.type)) {
    throw new RangeError(`unknown path ${JSON.stringify(path.type)}; known: ${Object.keys(pathOptions).join(', ')}`);
  }
  checkOptions(`path "${path.type}"`, path, ['type', 'final', ...pathOptions[path.type]]);
  return 'type' in schedule ? continuousPath(path, steps, schedule) : discretePathOf(path, steps, schedule);
}

function continuousPath(path: NoisePathConfig, steps: number, schedule: ContinuousScheduleConfig): NoisePath {
  const possible = continuousPaths[schedule.type];
  if (!possible.includes(path.type) || path.final === 'first') {
    const got = path.final === 'first' ? `${path.type} with final "first"` : path.type;
    throw new RangeError(`path: must be ${possible.join(' or ')} on the schedule ${schedule.type}, got ${got}`);
  }
  if (schedule.type === 'flow') {
    const { shift, timeScale } = schedule;
    const { type: _, final: _final, ...own } = path as Extract<NoisePathConfig, { readonly type: 'flow' }>;
    return flowPath({
      steps,
      ...(timeScale !== undefined && { timeScale }),
      ...(shift !== undefined && !('dynamicShift' in own) && { shift }),
      ...own,
    });
  }
  const { type: _, ...range } = schedule;
  const { type: _path, final: _final, ...own } = path as Extract<NoisePathConfig, { readonly type: 'edm' }>;
  return edmPath({ steps, ...range, ...own });
}

function discretePathOf(path: NoisePathConfig, steps: number, schedule: NoiseSchedule): NoisePath {
  switch (path.type) {
    case 'discrete': {
      const { type: _, ...options } = path;
      return discretePath(schedule, { steps, spacing: defaultSpacing(schedule), ...options });
    }
    case 'karras':
    case 'edm': {
      const { type, final = 'clean', ...options } = path;
      const range = type === 'edm' ? edmRange : {};
      return discretePath(schedule, { steps, final, karras: { ...range, ...options } });
    }
    case 'exponential': {
      const { type: _, final = 'clean', ...options } = path;
      return discretePath(schedule, { steps, final, exponential: options });
    }
    case 'beta': {
      const { type: _, final = 'clean', ...options } = path;
      return discretePath(schedule, { steps, final, beta: options });
    }
    default: {
      const { type: _, final = 'clean', ...options } = path;
      return discretePath(schedule, { steps, final, flow: options });
    }
  }
}
