/** results/scaling.json: the points of each axis, and how it was measured. */

/** @typedef {import('./scaling-table.mjs').Scaling} Scaling */
/** @typedef {import('./scaling-table.mjs').AxisResult} AxisResult */

/**
 * Replaces axes by name. Others retain their own `run`; older ones without it retain the `run` of the file.
 *
 * @param {Scaling} old
 * @param {readonly AxisResult[]} measured
 * @param {readonly string[]} names of all axes, in order; an axis may have parts, `name: part`
 * @returns {Scaling}
 */
export function withAxes(old, measured, names) {
  const byName = new Map([...old.axes, ...measured].map((axis) => [axis.name, axis]));
  const axes = names.flatMap((name) => [...byName.values()].filter((axis) => axis.name.split(':')[0] === name));
  return axes.every(({ run }) => run !== undefined) ? { axes } : { ...old, axes };
}

/**
 * Number of cores that other programs used at most while an axis was measured.
 *
 * @param {readonly { readonly othersBusy?: number }[]} answers of its processes
 */
export const busiest = (answers) => Number(Math.max(...answers.map(({ othersBusy }) => othersBusy ?? 0)).toFixed(2));
