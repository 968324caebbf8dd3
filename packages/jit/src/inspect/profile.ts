/**
 * Reads the profile that ONNX Runtime writes of a session: a JSON array of events in Chrome's trace format, times in
 * microseconds. Events of category `Node` named `<node>_kernel_time` are one call of one node; `model_run` is one call
 * of the session, written after its nodes.
 */
import { sizeOf } from '../graph/graph.js';

/** One call of one node. */
export interface NodeCall {
  /** The node's name in the model, as the runtime kept it: `<scope>/<kernel>/<Op>.<number>`. */
  readonly name: string;
  readonly op: string;
  /** The name that `scope` of `@dm/ops` had set when the kernel was recorded; '' where there was none. */
  readonly scope: string;
  /** The TF.js kernel that the node was made for; '' for a node that the runtime put in. */
  readonly kernel: string;
  readonly ms: number;
  /** Multiplications and additions of a product or convolution, by its shapes; 0 for any other node. */
  readonly flops: number;
}

/** One call of the session. */
export interface SessionCall {
  readonly ms: number;
  readonly nodes: readonly NodeCall[];
}

export interface SessionProfile {
  readonly calls: readonly SessionCall[];
  /** Largest size of the runtime's memory for values at a time, in MiB: without weights that were given to it. */
  readonly valuesPeakMb: number;
}

interface Event {
  readonly cat: string;
  readonly name: string;
  /** Start, microseconds. */
  readonly ts: number;
  /** Duration, microseconds. */
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
 * `json` is what the runtime wrote.
 * @throws {Error} if it is not such a profile or holds no complete call
 */
export function parseProfile(json: string): SessionProfile {
  const events = JSON.parse(json) as Event[];
  if (!Array.isArray(events)) throw new Error('the profile must be an array of events');
  const runs = events.filter(({ cat, name }) => cat === 'Session' && name === 'model_run');
  if (runs.length === 0) throw new Error('the profile holds no call of the session');
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

/** A fusion of the runtime appends its own name to that of the node that it began with. */
function originOf(name: string): { scope: string; kernel: string } {
  const parts = name.split('/');
  const own = parts.findIndex((part) => /^[A-Z]\w*\.\d+$/.test(part));
  return own < 1 ? { scope: '', kernel: '' } : { scope: own >= 2 ? parts[own - 2]! : '', kernel: parts[own - 1]! };
}

type Shape = readonly number[];

/**
 * Floating-point operations of a node, two for each multiplication with its addition. A filter, [O, I, kh, kw] plain or
 * blocked, is applied whole at each place: of the output of a convolution, of the input of a transposed one. The
 * length of the sums of a product is what the first operand has besides the rows of the result.
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
