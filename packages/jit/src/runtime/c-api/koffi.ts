import type Koffi from 'koffi';
import { EngineError } from '../../errors.js';

/** A variable, so that browser bundlers do not look for the package. */
const koffiName = 'koffi';

/**
 * Loads koffi, the package that calls C functions.
 * @throws {EngineError} if it is not installed or does not support this platform
 */
export async function loadKoffi(): Promise<typeof Koffi> {
  try {
    return ((await import(koffiName)) as { default: typeof Koffi }).default;
  } catch (cause) {
    throw new EngineError(
      'RUNTIME_MISSING',
      'The onnx engine needs the package koffi, which could not be loaded. Install it: npm install koffi',
      { cause },
    );
  }
}
