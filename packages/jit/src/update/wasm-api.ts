/**
 * The part of WebAssembly's JavaScript API that is used. Node's types lack much of it, and the browser's types declare
 * too much else.
 */

/** A compiled module, opaque to JavaScript. */
export type WasmModule = object;

export interface WasmMemory {
  /** After each growth, a new object for the same bytes. */
  readonly buffer: SharedArrayBuffer;
  /**
   * Adds pages of 64 KiB.
   * @throws {RangeError} if it cannot grow that far
   */
  grow(pages: number): number;
}

interface WebAssemblyApi {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => WasmMemory;
  compile(bytes: Uint8Array): Promise<WasmModule>;
}

export const wasmApi = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;
