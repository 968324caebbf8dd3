/** The part of WebAssembly's JavaScript API that is used: the types of Node have little of it, those of a browser too much else. */

/** A compiled module; only WebAssembly looks inside. */
export type WasmModule = object;

export interface WasmMemory {
  /** A new object over the same bytes after each growth. */
  readonly buffer: SharedArrayBuffer;
  /** Adds pages of 64 KiB, or throws a RangeError. */
  grow(pages: number): number;
}

interface WebAssemblyApi {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => WasmMemory;
  compile(bytes: Uint8Array): Promise<WasmModule>;
}

export const wasmApi = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;
