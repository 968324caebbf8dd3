// oxlint-disable-next-line typescript/triple-slash-reference -- projects that compile this from source need it too
/// <reference path="./jstat.d.ts" />
/** Student's t distribution, whose degrees of freedom need not be integers, and the normal one. */
import jstat from 'jstat';

/** Quantile function at `p`. */
export const tQuantile = (p: number, df: number): number => jstat.studentt.inv(p, df);

/** Quantile function of the standard normal distribution. */
export const normalQuantile = (p: number): number => jstat.normal.inv(p, 0, 1);

/** Cumulative distribution function. */
export const tCdf = (x: number, df: number): number => jstat.studentt.cdf(x, df);

/** Cumulative distribution function of the noncentral t distribution. */
export const noncentralTCdf = (x: number, df: number, noncentrality: number): number =>
  jstat.noncentralt.cdf(x, df, noncentrality);
