/**
 * Shares out memory: work that holds many bytes waits until what others hold leaves room. First come, first served, so
 * that large work is not passed by small work for ever.
 */
export interface ByteBudget {
  /** Runs `work` as soon as `bytes` are free; all of the budget counts where it asks for more than there is. */
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
