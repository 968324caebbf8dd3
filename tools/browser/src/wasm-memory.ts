/** Counts the WebAssembly memories that this worker makes, the runtime's among them. */
const memories: { readonly buffer: { readonly byteLength: number } }[] = [];

interface Wasm {
  Memory: new (limits: object) => { readonly buffer: { readonly byteLength: number } };
  instantiate: (...args: unknown[]) => Promise<unknown>;
  instantiateStreaming: (...args: unknown[]) => Promise<unknown>;
}

const wasm = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly;
for (const name of ['instantiate', 'instantiateStreaming'] as const) {
  const original = wasm[name];
  wasm[name] = async (...args) => {
    const made = (await original.apply(wasm, args)) as {
      instance?: { exports: Record<string, unknown> };
      exports?: Record<string, unknown>;
    };
    const exports = made.instance?.exports ?? made.exports ?? {};
    const imports = (args[1] ?? {}) as Record<string, Record<string, unknown>>;
    for (const value of [...Object.values(exports), ...Object.values(imports).flatMap((of) => Object.values(of))]) {
      if (value instanceof wasm.Memory && !memories.includes(value)) memories.push(value);
    }
    return made;
  };
}

/** Bytes of all WebAssembly memories of this worker. */
export function memoryBytes(): number {
  return memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
}
