/** The worker of a library: opens a step, and times it. */
import { timed, type Step, type Work } from '../speed/steps.js';

export type Order =
  | { readonly do: 'open'; readonly work: Work | 'conv2d'; readonly backend: string; readonly threads: number }
  | { readonly do: 'steps'; readonly count: number };

export interface Opened {
  /** Losses of the first two steps, which are not timed: the first one compiles. */
  readonly losses?: readonly number[];
  readonly error?: string;
}

export interface Timed {
  /** Milliseconds of each step. */
  readonly ms: readonly number[];
}

interface Scope {
  addEventListener(type: 'message', listener: (event: { readonly data: Order }) => void): void;
  postMessage(message: Opened | Timed): void;
}

const scope = globalThis as unknown as Scope;

/** Answers orders with the step that `open` returns. */
export function serve(open: (work: Work | 'conv2d', backend: string, threads: number) => Promise<Step>): void {
  let step: Step | undefined;
  const obey = async (order: Order): Promise<Opened | Timed> => {
    if (order.do === 'open') {
      step = await open(order.work, order.backend, order.threads);
      return { losses: [await step(), await step()] };
    }
    return { ms: await timed(step!, order.count) };
  };
  scope.addEventListener('message', ({ data }) => {
    obey(data).then(
      (answer) => scope.postMessage(answer),
      (error: Error) => scope.postMessage({ error: error.message }),
    );
  });
}
