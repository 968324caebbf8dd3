declare module 'munkres-js' {
  /** The [row, column] pairs of the assignment with the minimum total cost. */
  export default function munkres(costs: readonly (readonly number[])[]): [number, number][];
}
