/** What a run in a browser is given, and what it reports. */
import type { Dataset } from '@dm/data';
import type { Engine } from '@dm/ops';
import type { Config } from '../config/schema.js';
import type { MetricsRecord } from '../run/metrics-record.js';
import type { StepOutcome } from '../step/training-loop.js';
import type { BrowserDevice, OrtChoice } from './open-engine.js';
import type { StorageQuota } from './quota.js';
import type { RunStore } from './run-store.js';

/** Images that a model generated. */
export interface BrowserSamples {
  /** Optimizer steps done. */
  readonly step: number;
  /** float32 [n, H, W, C] in [-1, 1]. */
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** A run that has been opened. */
export interface BrowserRun {
  readonly name: string;
  /** Optimizer steps done, of `totalSteps`. */
  readonly step: number;
  readonly totalSteps: number;
  readonly parameters: number;
  readonly device: BrowserDevice;
  /** What the engine reports, such as its number of threads. */
  readonly engine: Engine['info'];
  readonly storage: StorageQuota;
  readonly config: Config;
}

/** A checkpoint in the store, such as `checkpoints/step-000500`. */
export interface SavedCheckpoint {
  readonly step: number;
  readonly path: string;
}

/** Callbacks of a run; all receive plain data, which can be posted to a page. */
export interface BrowserTrainingHooks {
  /** After the run was opened, before the first step. */
  readonly onStart?: ((run: BrowserRun) => void) | undefined;
  /** After each optimizer step. */
  readonly onStep?: ((outcome: StepOutcome) => void) | undefined;
  /** After each line of metrics.jsonl, every `logEvery` steps. */
  readonly onLog?: ((line: MetricsRecord) => void) | undefined;
  /** Every `sampleEvery` steps, and after the last one: `samples` images of the averaged weights. */
  readonly onSamples?: ((samples: BrowserSamples) => void) | undefined;
  readonly onCheckpoint?: ((checkpoint: SavedCheckpoint) => void) | undefined;
  /** Notes for the user, such as a failed save, after which training continues. */
  readonly onNote?: ((text: string) => void) | undefined;
}

export interface BrowserTrainingOptions extends BrowserTrainingHooks {
  readonly store: RunStore;
  /** Needed to begin a run; a run that continues has its data in the store. */
  readonly dataset?: Dataset | undefined;
  /** ONNX Runtime's module. Required in a browser; a function receives the device, to load the build for it. */
  readonly ort?: OrtChoice | undefined;
  /**
   * `cpu` (WebAssembly), `webgpu`, or `auto`: WebGPU if a training step is faster there, which is measured once,
   * when the run begins, and recorded in its config.json. Default: `config.device`, which is
   * `cpu` unless set. A run that continues keeps its device unless another is given.
   */
  readonly device?: BrowserDevice | 'auto' | undefined;
  /** Delete a run in the store when the new one begins. */
  readonly overwrite?: boolean | undefined;
  /** When aborted, training saves a checkpoint after the current step and closes, as by `abort()`. */
  readonly signal?: AbortSignal | undefined;
}
