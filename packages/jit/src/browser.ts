/** The entry for browsers: the engine on onnxruntime-web, without ONNX Runtime's C API and Node's threads. */
export { openOnnxEngine } from './browser-engine.js';
export type { OnnxEngineOptions } from './onnx-engine.js';
export { EngineError, type EngineErrorCode, TraceError } from './errors.js';
export { dumpFiles, printGraph } from './inspect/dump.js';
export { exportOnnx, type ExportOnnxOptions, type OnnxInput } from './export/export-onnx.js';
export type { Graph, TensorSpec } from './graph/graph.js';
export { lowerGraph } from './lower/lower-graph.js';
export type { Compilation, EngineObserver, ProgramRun } from './inspect/observer.js';
export { encodeModel, type OnnxModel } from './onnx/proto.js';
export { type NodeCall, parseProfile, type SessionCall } from './inspect/profile.js';
export { optimize } from './passes/pipeline.js';
export { javaScriptRuntime as createJavaScriptRuntime, type OnnxRuntimeModule } from './runtime/javascript.js';
export { type Device, devices, type Runtime } from './runtime/runtime.js';
export { trace } from './trace/trace.js';
