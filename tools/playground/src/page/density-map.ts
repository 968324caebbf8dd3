import { createTimestepSchedule } from '@dm/curriculum';

const [columns, rows] = [120, 100] as const;

/** The density of timesteps over training, times T, so that uniform is 1: [rows][columns], the first row is pure noise. */
export function densityOverTraining(name: 'clts' | 'uniform', totalSteps: number, numTimesteps: number): number[][] {
  const schedule = createTimestepSchedule(name, { numTimesteps, totalSteps });
  const densities = Array.from({ length: columns }, (_, x) =>
    schedule.density(Math.round((x * (totalSteps - 1)) / (columns - 1))),
  );
  return Array.from({ length: rows }, (_, y) => {
    const t = Math.round(((rows - 1 - y) * (numTimesteps - 1)) / (rows - 1));
    return densities.map((density) => density[t]! * numTimesteps);
  });
}

/** Density that is drawn in full color. */
const strongest = 2;

/** Draws a density map, with a line at `progress`, from 0 (first step) to 1. */
export function paintDensity(canvas: HTMLCanvasElement, map: readonly (readonly number[])[], progress: number): void {
  const style = getComputedStyle(canvas);
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext('2d')!;
  context.fillStyle = style.getPropertyValue('--empty');
  context.fillRect(0, 0, columns, rows);
  context.fillStyle = style.getPropertyValue('--accent');
  map.forEach((row, y) => {
    row.forEach((density, x) => {
      context.globalAlpha = Math.min(1, density / strongest);
      context.fillRect(x, y, 1, 1);
    });
  });
  context.globalAlpha = 1;
  context.fillStyle = style.getPropertyValue('--ink');
  context.fillRect(Math.min(columns - 1, Math.round(progress * (columns - 1))), 0, 1, rows);
}
