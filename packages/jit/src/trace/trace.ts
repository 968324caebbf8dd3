import * as tf from '@tensorflow/tfjs-core';
import type { Program, Tensors } from '@dm/ops';
import { TraceError } from '../errors.js';
import {
  type Graph,
  GraphBuilder,
  type Node,
  type PortValue,
  sameShape,
  type TensorSpecs,
  type Value,
} from '../graph/graph.js';
import { recorder, RECORDER } from './recorder.js';

/**
 * Traces `program`: runs it once on the recorder and returns its graph, including gradient tape and optimizer update.
 * State that is returned unchanged is not an output.
 * @throws {TraceError} if the program reads a tensor's value, uses an op without a lowering, returns a promise, or
 *   returns state of another name, shape, or type
 */
export function trace(program: Program, state: TensorSpecs, inputs: TensorSpecs, name = 'program'): Graph {
  const backend = recorder();
  if (backend.builder !== undefined) throw new TraceError(`${name}: a program cannot be compiled inside a program.`);
  const previous = tf.getBackend() as string | undefined; // undefined or null before any backend is chosen
  const builder = new GraphBuilder();
  backend.builder = builder;
  backend.refusedRead = undefined;
  void tf.setBackend(RECORDER); // synchronous: the backend is registered and needs no asynchronous start
  tf.engine().startScope(name);
  try {
    const graphInputs: PortValue[] = [];
    const stateValues = new Map<string, Value>();
    const enter = (kind: 'state' | 'input', specs: TensorSpecs): Tensors => {
      const tensors: Tensors = {};
      for (const [key, spec] of Object.entries(specs)) {
        const value = builder.value(spec);
        graphInputs.push({ port: { kind, name: key }, value });
        if (kind === 'state') stateValues.set(key, value);
        const node: Node = { op: `input "${key}"`, inputs: [], inputNames: [], attrs: {}, outputs: [value] };
        tensors[key] = tf.engine().makeTensorFromTensorInfo(backend.track(value, node));
      }
      return tensors;
    };
    const stateIn = enter('state', state);
    const result = program(stateIn, enter('input', inputs)) as ReturnType<Program> | Promise<unknown>;
    if (result instanceof Promise) {
      result.catch(() => {}); // the error below is more helpful than whatever it may still throw
      throw (
        backend.refusedRead ??
        new TraceError(
          `${name}: a program must be synchronous, this one is async. Await data before the call, and pass it in as ` +
            'an input.',
        )
      );
    }

    const outputs: PortValue[] = [];
    for (const [key, tensor] of Object.entries(result.state ?? {})) {
      const spec = state[key];
      if (spec === undefined) {
        throw new TraceError(
          `${name}: returned state "${key}" is not in the state (${Object.keys(state).join(', ')}).`,
        );
      }
      if (!sameShape(spec.shape, tensor.shape) || spec.dtype !== tensor.dtype) {
        throw new TraceError(
          `${name}: state "${key}" is ${spec.dtype} [${spec.shape.join(', ')}], the program returned ` +
            `${tensor.dtype} [${tensor.shape.join(', ')}].`,
        );
      }
      const value = backend.traced(tensor);
      if (stateValues.get(key) !== value) outputs.push({ port: { kind: 'next', name: key }, value });
    }
    for (const [key, tensor] of Object.entries(result.outputs)) {
      outputs.push({ port: { kind: 'output', name: key }, value: backend.traced(tensor) });
    }
    return { name, inputs: graphInputs, nodes: builder.nodes, outputs };
  } finally {
    tf.engine().endScope();
    backend.builder = undefined;
    // Without a previous backend, TF.js is to choose one on the next eager op, as if there had been no trace.
    if (previous) void tf.setBackend(previous);
    else tf.removeBackend(RECORDER);
  }
}
