/**
 * Runs in a browser, to be used in a module worker: training that survives a reload and opens in Node.
 *
 *   const store = await openOpfsStore('digits');
 *   const training = createBrowserTraining({ model: 'dit', totalSteps: 2000 }, { store, dataset, ort });
 *   await training.run();
 */
export { createBrowserTraining, type BrowserRunResult, type BrowserTraining } from './browser/training.js';
export type {
  BrowserRun,
  BrowserSamples,
  BrowserTrainingHooks,
  BrowserTrainingOptions,
  SavedCheckpoint,
} from './browser/run-options.js';
export type { BrowserDevice, OrtChoice } from './browser/open-engine.js';
export {
  connectTraining,
  serveTraining,
  type TrainingPort,
  type TrainingRequest,
  type TrainingResponse,
} from './browser/connect.js';
export { createMemoryStore, type RunStore, type StoredFile } from './browser/run-store.js';
export { listOpfsRuns, openOpfsStore } from './browser/opfs-store.js';
export { listIndexedDbRuns, openIndexedDbStore } from './browser/indexed-db-store.js';
export { exportRunZip, importRunZip } from './browser/run-zip.js';
export { requestPersistence, type StorageQuota } from './browser/quota.js';
export { UserError, type UserErrorCode } from './errors.js';
