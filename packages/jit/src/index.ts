export { onnxEngine, type OnnxEngineOptions, type OnnxRuntime } from './engine.js';
export { TraceError } from './errors.js';
export { type Graph, type Node, printGraph, type Value } from './graph.js';
export { lowerGraph } from './compile.js';
export type { Compilation, EngineObserver, ProgramRun } from './observer.js';
export type { LowerOptions } from './lower/lowering.js';
export { encodeModel, type OnnxModel } from './onnx/proto.js';
export { optimise } from './passes/index.js';
export { type ArraySpec, type ArraySpecs, trace } from './trace.js';
