/**
 * The role of a graph's input or output: `state` and `next` are a state entry before and after the call, `input` and
 * `output` are what the caller passes and gets, `intermediate` is what the first graph of a split step computes for the
 * second (passes/split-update.ts).
 */
export type PortKind = 'state' | 'next' | 'input' | 'output' | 'intermediate';

/** A contiguous range of a vector. */
export interface Slice {
  /** Number of elements before it in the vector. */
  readonly offset: number;
  readonly length: number;
}

/** An input or output of a graph. */
export interface Port {
  readonly kind: PortKind;
  /** The program's name for it; a number for an intermediate. */
  readonly name: string;
  /** Set if the graph reads or writes only this part of the vector (passes/chunk-vectors.ts). */
  readonly slice?: Slice;
}

const prefixes: Readonly<Record<PortKind, string>> = {
  state: 'state',
  next: 'next',
  input: 'in',
  output: 'out',
  intermediate: 'intermediate',
};

/**
 * A port's name in ONNX graphs and in printed output, unique among the ports of a graph: `in.x`,
 * `state.params[0:262144]`. It is for people and the runtime; no code parses it.
 */
export function portName({ kind, name, slice }: Port): string {
  const whole = `${prefixes[kind]}.${name}`;
  return slice === undefined ? whole : `${whole}[${slice.offset}:${slice.offset + slice.length}]`;
}
