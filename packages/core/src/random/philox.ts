/**
 * Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as
 * 1, 2, 3" (doi:10.1145/2063384.2063405): a keyed bijection of 128-bit counters. It has no state: each block is
 * computed from its key and counter.
 */

// The multipliers, in 16-bit halves, and the Weyl increments of the key: Table 2 of the paper.
const M0 = 0xd2511f53 | 0;
const M0_LOW = 0x1f53;
const M0_HIGH = 0xd251;
const M1 = 0xcd9e8d57 | 0;
const M1_LOW = 0x8d57;
const M1_HIGH = 0xcd9e;
const W0 = 0x9e3779b9 | 0;
const W1 = 0xbb67ae85 | 0;

/**
 * Writes one block of four 32-bit words, Philox of the counter (c0, c1, c2, c3) under the key (k0, k1), to out[at] to
 * out[at + 3]. All arguments are taken modulo 2^32.
 */
export function philox4x32(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
  at: number,
): void {
  for (let round = 0; round < 10; round++) {
    // The upper words of M0 c0 and M1 c2. A product of two 32-bit numbers does not fit a double, so it is built from
    // four products of 16-bit halves; `Math.imul` gives the lower words directly.
    const a = c0 & 0xffff;
    const b = c0 >>> 16;
    const aHigh = Math.imul(a, M0_HIGH);
    const bLow = Math.imul(b, M0_LOW);
    const carry0 = (Math.imul(a, M0_LOW) >>> 16) + (aHigh & 0xffff) + (bLow & 0xffff);
    const high0 = (Math.imul(b, M0_HIGH) + (aHigh >>> 16) + (bLow >>> 16) + (carry0 >>> 16)) | 0;

    const c = c2 & 0xffff;
    const d = c2 >>> 16;
    const cHigh = Math.imul(c, M1_HIGH);
    const dLow = Math.imul(d, M1_LOW);
    const carry1 = (Math.imul(c, M1_LOW) >>> 16) + (cHigh & 0xffff) + (dLow & 0xffff);
    const high1 = (Math.imul(d, M1_HIGH) + (cHigh >>> 16) + (dLow >>> 16) + (carry1 >>> 16)) | 0;

    const low0 = Math.imul(c0, M0);
    c0 = high1 ^ c1 ^ k0;
    c1 = Math.imul(c2, M1);
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;

    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}
