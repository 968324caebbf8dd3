/** The parts of `navigator` that a caller uses; empty in old versions of Node. TypeScript's types of the DOM are not loaded. */
export function navigatorOf<T>(): Partial<T> {
  return (globalThis as unknown as { readonly navigator?: Partial<T> }).navigator ?? {};
}
