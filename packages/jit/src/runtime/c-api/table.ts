/**
 * The functions of ONNX Runtime's C API that are used, by their indices in its table of function pointers, the struct
 * `OrtApi` of onnxruntime_c_api.h (MIT,
 * https://github.com/microsoft/onnxruntime/blob/main/include/onnxruntime/core/session/onnxruntime_c_api.h). The table
 * is append-only: an index never changes.
 */

/** API version to request. Functions behave as in this version of the header; every later runtime supports it too. */
export const apiVersion = 23;

type Argument = 'void *' | 'const char *' | 'path' | 'int' | 'size_t';

interface Signature {
  readonly index: number;
  /** `status`: a pointer to an error, or null if there was none. */
  readonly result: 'status' | 'void' | 'const char *';
  readonly args: readonly Argument[];
}

const status = (index: number, ...args: Argument[]): Signature => ({ index, result: 'status', args });
const release = (index: number): Signature => ({ index, result: 'void', args: ['void *'] });

/** Pointers to the runtime's objects and to memory are both `void *`; a `path` is UTF-16 on Windows. */
export const functions = {
  GetErrorMessage: { index: 2, result: 'const char *', args: ['void *'] },
  CreateEnv: status(3, 'int', 'const char *', 'void *'),
  DisableTelemetryEvents: status(6, 'void *'),
  CreateSessionFromArray: status(8, 'void *', 'void *', 'size_t', 'void *', 'void *'),
  Run: status(9, 'void *', 'void *', 'void *', 'void *', 'size_t', 'void *', 'size_t', 'void *'),
  CreateSessionOptions: status(10, 'void *'),
  EnableProfiling: status(14, 'void *', 'path'),
  DisableMemPattern: status(17, 'void *'),
  SetSessionGraphOptimizationLevel: status(23, 'void *', 'int'),
  SetIntraOpNumThreads: status(24, 'void *', 'int'),
  SetInterOpNumThreads: status(25, 'void *', 'int'),
  CreateRunOptions: status(39, 'void *'),
  CreateTensorAsOrtValue: status(48, 'void *', 'void *', 'size_t', 'int', 'void *'),
  CreateTensorWithDataAsOrtValue: status(49, 'void *', 'void *', 'size_t', 'void *', 'size_t', 'int', 'void *'),
  GetTensorMutableData: status(51, 'void *', 'void *'),
  GetDimensionsCount: status(61, 'void *', 'void *'),
  GetDimensions: status(62, 'void *', 'void *', 'size_t'),
  GetTensorTypeAndShape: status(65, 'void *', 'void *'),
  CreateMemoryInfo: status(68, 'const char *', 'int', 'int', 'int', 'void *'),
  CreateCpuMemoryInfo: status(69, 'int', 'int', 'void *'),
  AllocatorFree: status(76, 'void *', 'void *'),
  GetAllocatorWithDefaultOptions: status(78, 'void *'),
  ReleaseStatus: release(93),
  ReleaseMemoryInfo: release(94),
  ReleaseSession: release(95),
  ReleaseValue: release(96),
  ReleaseRunOptions: release(97),
  ReleaseTensorTypeAndShapeInfo: release(99),
  ReleaseSessionOptions: release(100),
  SessionEndProfiling: status(110, 'void *', 'void *', 'void *'),
  AddSessionConfigEntry: status(130, 'void *', 'const char *', 'const char *'),
  CreateAllocator: status(131, 'void *', 'void *', 'void *'),
  ReleaseAllocator: release(132),
  RunWithBinding: status(133, 'void *', 'void *', 'void *'),
  CreateIoBinding: status(134, 'void *', 'void *'),
  ReleaseIoBinding: release(135),
  BindInput: status(136, 'void *', 'const char *', 'void *'),
  BindOutput: status(137, 'void *', 'const char *', 'void *'),
  AddRunConfigEntry: status(165, 'void *', 'const char *', 'const char *'),
  SessionOptionsAppendExecutionProvider_CUDA_V2: status(204, 'void *', 'void *'),
  CreateCUDAProviderOptions: status(205, 'void *'),
  UpdateCUDAProviderOptions: status(206, 'void *', 'void *', 'void *', 'size_t'),
  ReleaseCUDAProviderOptions: release(208),
  SessionOptionsAppendExecutionProvider: status(216, 'void *', 'const char *', 'void *', 'void *', 'size_t'),
  CopyTensors: status(386, 'void *', 'void *', 'void *', 'void *', 'size_t'),
} as const satisfies Record<string, Signature>;

export type FunctionName = keyof typeof functions;

/** Values of the header's enums. */
export const constants = {
  loggingLevelFatal: 4,
  enableAllOptimizations: 99,
  deviceAllocator: 0,
  memTypeDefault: 0,
  elementType: { float32: 1, int32: 6, bool: 9 },
} as const;
