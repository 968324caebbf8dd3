/**
 * The time of an all-reduce over a ring (Patarasuk and Yuan 2009, https://doi.org/10.1016/j.jpdc.2008.09.002), and the
 * efficiency of data-parallel training with it. Gradients are exchanged after the backward pass, without overlap.
 */

/**
 * What connects the ranks.
 *
 * @typedef {object} Fabric
 * @property {string} name
 * @property {number} rate Bytes of an array that a rank sends per second while it receives as many; includes adding them.
 * @property {number} latency Seconds from sending a small message to its arrival.
 */

const bytesPerParameter = 4;
/** Parameters per all-reduce: @dm/mpi exchanges a longer vector in parts, one after another. */
const partLength = 2 ** 22;

/**
 * Bytes that each rank sends: 2 (N-1)/N of the vector.
 *
 * @param {number} ranks N, at least 1
 * @param {number} parameters length of the vector, float32
 */
export function ringBytes(ranks, parameters) {
  return ((2 * (ranks - 1)) / ranks) * parameters * bytesPerParameter;
}

/**
 * Seconds of an exchange: the bytes at the rate of the fabric, and the latency of the 2 (N-1) steps of each part.
 *
 * @param {Pick<Fabric, 'rate' | 'latency'>} fabric
 * @param {number} ranks
 * @param {number} parameters
 */
export function ringSeconds({ rate, latency }, ranks, parameters) {
  const steps = 2 * (ranks - 1) * Math.ceil(parameters / partLength);
  return ringBytes(ranks, parameters) / rate + steps * latency;
}

/**
 * Expected maximum of `n` independent samples of the standard normal distribution, from the integral of 1 - F(x)^n over
 * the positive and of -F(x)^n over the negative numbers. F is the distribution function.
 *
 * @param {number} n
 */
export function expectedMaximum(n) {
  const [limit, width] = [9, 1e-3];
  let [sum, distribution] = [0, 0];
  for (let x = -limit + width / 2; x < limit; x += width) {
    const increment = (width * Math.exp(-(x ** 2) / 2)) / Math.sqrt(2 * Math.PI);
    const power = Math.min(1, distribution + increment / 2) ** n;
    sum += width * (x < 0 ? -power : 1 - power);
    distribution += increment;
  }
  return sum;
}

/**
 * @typedef {object} Training
 * @property {Pick<Fabric, 'rate' | 'latency'>} fabric
 * @property {number} ranks
 * @property {number} parameters
 * @property {number} stepSeconds Time of one micro-batch without exchange.
 * @property {number} accumulation Micro-batches per exchange.
 * @property {number} jitter Standard deviation of a micro-batch's time, as a fraction of it; ranks wait for the slowest.
 */

/**
 * Fraction of the time in which ranks compute, in (0, 1]: images per second, as a fraction of the rate without an exchange.
 *
 * @param {Training} training
 */
export function efficiency({ fabric, ranks, parameters, stepSeconds, accumulation, jitter }) {
  const compute = accumulation * stepSeconds;
  const waiting = expectedMaximum(ranks) * jitter * stepSeconds * Math.sqrt(accumulation);
  return compute / (compute + waiting + ringSeconds(fabric, ranks, parameters));
}
