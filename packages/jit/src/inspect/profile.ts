/**
 * Reads the profile that ONNX Runtime writes for a session: a JSON array of events in Chrome's trace format, times in
 * microseconds. Events of category `Node` named `<node>_kernel_time` are one call of one node; `model_run` is one call
 * of the session, written after its nodes.
 */
import { sizeOf } from '../graph/graph.js';

/** One call of one node. */
export interface NodeCall {
  /** The node's name in the model, as the runtime kept it: `<scope>/<kernel>/<Op>.<number>`. */
  readonly name: string;
  readonly op: string;
  /** The `scope` of `@dm/ops` in which the kernel was recorded; '' outside any. */
  readonly scope: string;
  /** The TF.js kernel from which the node was lowered; '' for a node that the runtime added. */
  readonly kernel: string;
  readonly ms: number;
  /** Floating-point operations of a matrix product or convolution, from its shapes; 0 for any other node. */
  readonly flops: number;
}

/** One call of the session. */
export interface SessionCall {
  readonly ms: number;
  readonly nodes: readonly NodeCall[];
}

export interface SessionProfile {
  readonly calls: readonly SessionCall[];
  /** Peak size of the runtime's memory for intermediate values, in MiB; excludes the weights. */
  readonly valuesPeakMb: number;
}

interface Event {
  readonly cat: string;
  readonly name: string;
  /** Start, in microseconds. */
  readonly ts: number;
  /** Duration, in microseconds. */
  readonly dur: number;
  readonly args: {
    readonly op_name?: string;
    readonly input_type_shape?: readonly TypedShape[];
    readonly output_type_shape?: readonly TypedShape[];
    readonly mem_in_use_peak?: string;
  };
}

/** `{ "float": [2, 3] }` */
type TypedShape = Readonly<Record<string, readonly number[]>>;

const nodeSuffix = '_kernel_time';

/**
 * Parses `json`, a profile written by the runtime.
 * @throws {Error} if it is not such a profile, or contains no complete call
 */
export function parseProfile(json: string): SessionProfile {
  const events = JSON.parse(json) as Event[];
  if (!Array.isArray(events)) throw new Error('the profile must be an array of events');
  const runs = events.filter(({ cat, name }) => cat === 'Session' && name === 'model_run');
  if (runs.length === 0) throw new Error('the profile contains no call of the session');
  const nodes = events.filter(({ cat, name }) => cat === 'Node' && name.endsWith(nodeSuffix));
  const calls = runs.map(({ ts, dur }) => ({
    ms: dur / 1000,
    nodes: nodes.filter((node) => node.ts >= ts && node.ts < ts + dur).map(nodeCall),
  }));
  const peaks = nodes.map(({ args }) => Number(args.mem_in_use_peak ?? 0));
  return { calls, valuesPeakMb: peaks.reduce((a, b) => Math.max(a, b), 0) / 2 ** 20 };
}

function nodeCall({ name: event, dur, args }: Event): NodeCall {
  const name = event.slice(0, -nodeSuffix.length);
  const op = args.op_name ?? '';
  const shapes = (list: readonly TypedShape[] = []) => list.map((typed) => Object.values(typed)[0] ?? []);
  const flops = flopsOf(op, shapes(args.input_type_shape), shapes(args.output_type_shape));
  return { name, op, ...originOf(name), ms: dur / 1000, flops };
}

/** A fused node's name begins with the name of the first node that the runtime fused into it. */
function originOf(name: string): { scope: string; kernel: string } {
  const parts = name.split('/');
  const own = parts.findIndex((part) => /^[A-Z]\w*\.\d+$/.test(part));
  return own < 1 ? { scope: '', kernel: '' } : { scope: own >= 2 ? parts[own - 2]! : '', kernel: parts[own - 1]! };
}

type Shape = readonly number[];

/**
 * Floating-point operations of a node, two per multiply-add. A filter, [O, I, kh, kw] plain or blocked, is applied at
 * each pixel: of the output for a convolution, of the input for a transposed one. For a matrix product, the length of
 * the sums follows from the sizes of the first operand and of the result's rows.
 */
export function flopsOf(op: string, inputs: readonly Shape[], outputs: readonly Shape[]): number {
  const [a = [], b = []] = inputs;
  const [y = []] = outputs;
  const positions = ([n = 1, , ...space]: Shape) => n * sizeOf(space);
  switch (op) {
    case 'Conv':
      return 2 * positions(y) * sizeOf(b);
    case 'ConvTranspose':
      return 2 * positions(a) * sizeOf(b);
    case 'MatMul':
    case 'FusedMatMul':
    case 'Gemm': {
      const rows = y.length > 1 ? y.at(-2)! : 1;
      return rows === 0 ? 0 : (2 * sizeOf(y) * sizeOf(a.slice(-2))) / rows;
    }
    default:
      return 0;
  }
}
