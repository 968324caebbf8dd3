/**
 * Limits memory use: each task reserves bytes and waits until they are free. Tasks run in the order of their requests,
 * so that small tasks cannot starve a large one.
 */
export interface ByteBudget {
  /** Runs `work` as soon as `bytes` are free. A request larger than the budget waits for all of it. */
  readonly run: <T>(bytes: number, work: () => Promise<T>) => Promise<T>;
}

export function createByteBudget(total: number): ByteBudget {
  let free = total;
  const waiting: { bytes: number; begin: () => void }[] = [];
  const next = (): void => {
    while (waiting.length > 0 && waiting[0]!.bytes <= free) {
      const { bytes, begin } = waiting.shift()!;
      free -= bytes;
      begin();
    }
  };
  return {
    async run(asked, work) {
      const bytes = Math.min(asked, total);
      await new Promise<void>((begin) => {
        waiting.push({ bytes, begin });
        next();
      });
      try {
        return await work();
      } finally {
        free += bytes;
        next();
      }
    },
  };
}
