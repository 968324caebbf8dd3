/** The folder name of a complete checkpoint: `step-000500`. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(6, '0')}`;
}

/** The step in the folder name of a complete checkpoint; undefined for other names. */
export function stepOfName(name: string): number | undefined {
  const digits = /^step-(\d+)$/.exec(name)?.[1];
  const step = Number(digits);
  return digits !== undefined && checkpointName(step) === name ? step : undefined;
}
