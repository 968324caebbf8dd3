/**
 * The part of WebGPU's JavaScript API that is used. Node's types lack it, and the browser's types declare too much else.
 */

/** An allocation on the graphics card. */
export interface GpuBuffer {
  destroy(): void;
  mapAsync(mode: number): Promise<void>;
  getMappedRange(): ArrayBuffer;
  unmap(): void;
}

interface GpuCommandEncoder {
  copyBufferToBuffer(from: GpuBuffer, fromOffset: number, to: GpuBuffer, toOffset: number, size: number): void;
  finish(): object;
}

export interface GpuDevice {
  readonly queue: {
    writeBuffer(buffer: GpuBuffer, offset: number, data: ArrayBufferLike, dataOffset: number, size: number): void;
    submit(commands: readonly object[]): void;
  };
  readonly limits: { readonly maxBufferSize: number; readonly maxStorageBufferBindingSize: number };
  readonly lost: Promise<{ readonly message: string; readonly reason: string }>;
  createBuffer(descriptor: { size: number; usage: number }): GpuBuffer;
  createCommandEncoder(): GpuCommandEncoder;
  pushErrorScope(filter: 'out-of-memory' | 'validation'): void;
  popErrorScope(): Promise<{ readonly message: string } | null>;
}

/** Bits of a buffer's usage (`GPUBufferUsage`). */
export const gpuUsage = { mapRead: 1, copySource: 4, copyDestination: 8, storage: 128 } as const;

/** `GPUMapMode.READ`. */
export const MAP_READ = 1;
