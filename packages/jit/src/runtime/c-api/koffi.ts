import type Koffi from 'koffi';

/** In a variable, so that bundlers for browsers do not look for it. */
const koffiName = 'koffi';

/** The package that calls C functions. Rejects if it is not installed or has nothing for this platform. */
export async function loadKoffi(): Promise<typeof Koffi> {
  return ((await import(koffiName)) as { default: typeof Koffi }).default;
}
