export { MpiError, type MpiErrorCode } from './errors.js';
export { findLauncher, type Launcher } from './launcher.js';
export { findMpiLibrary, type FoundLibrary } from './library.js';
export { localWorlds } from './local-worlds.js';
export { openWorld, type OpenWorldOptions } from './open-world.js';
export { worldOfOne, type GatherOptions, type NumberArray, type World } from './world.js';
