declare module 'jstat' {
  const jstat: {
    /** Student's t distribution with `df` degrees of freedom, which need not be an integer. */
    readonly studentt: {
      cdf(x: number, df: number): number;
      /** The quantile function. */
      inv(p: number, df: number): number;
    };
    readonly normal: { inv(p: number, mean: number, standardDeviation: number): number };
    /** The noncentral t distribution. */
    readonly noncentralt: { cdf(x: number, df: number, noncentrality: number): number };
  };
  export default jstat;
}
