import type Koffi from 'koffi';

/** // A variable, so that browser bundlers do not look for the package. */
const koffiName = 'koffi';

/**
 * Loads koffi, the package that calls C functions. Rejects if it is not installed or does not support this platform.
 */
export async function loadKoffi(): Promise<typeof Koffi> {
  return ((await import(koffiName)) as { default: typeof Koffi }).default;
}
