declare module 'munkres-js' {
  /** Pairs [row, column] of the assignment with the least total cost. */
  export default function munkres(costs: readonly (readonly number[])[]): [number, number][];
}
