/** Messages between the page and its training worker. */
import type { PlaygroundConfig, samplerNames } from '../config.js';
import type { Drawing } from '../data/picture-history.js';

/** Images to train on, as bytes. */
export interface TrainingImages {
  readonly name: string;
  /** uint8 [N, H, W, C] */
  readonly images: Uint8Array<ArrayBuffer>;
  /** [H, W, C] */
  readonly shape: readonly [number, number, number];
  /** Class of each image, [N]. */
  readonly labels?: Uint8Array<ArrayBuffer>;
  /** Names of the classes; empty without labels. */
  readonly classes: readonly string[];
}

/** How one image is drawn step by step. */
export interface DrawOptions {
  readonly sampler: (typeof samplerNames)[number];
  /** Sampling steps, 1 to 100. */
  readonly steps: number;
  /** Classifier-free guidance scale: 1 for none. */
  readonly guidance: number;
  /** Class, for a model with classes. */
  readonly label: number;
  /** Index of the noise to start from. */
  readonly noise: number;
}

export type Request =
  | {
      readonly type: 'start';
      readonly config: PlaygroundConfig;
      /** Undefined to use the images of the stored run. */
      readonly data: TrainingImages | undefined;
      /** Continue the stored run, if it is this training; otherwise it is replaced. */
      readonly resume: boolean;
    }
  | { readonly type: 'play' | 'pause' | 'step' | 'weights' | 'run' }
  | { readonly type: 'draw'; readonly options: DrawOptions };

/** One step of the path from noise to an image. */
export interface Frame {
  /** Timestep of the noise level that the model saw, from 999 (noise) to 0. */
  readonly t: number;
  /** The noisy image after the step, and the clean image that the model predicted: [H, W, C] in [-1, 1], x may exceed it. */
  readonly x: Float32Array;
  readonly x0: Float32Array;
}

/** Similarity of the images that two models draw from the same noises. */
export interface Agreement {
  /** Mean cosine of pairs from the same noise, after subtracting the mean image; -1 to 1. */
  readonly same: number;
  /** The control: the same of shuffled pairs. */
  readonly shuffled: number;
}

/** What a run that began with the device `auto` measured. */
export type DeviceProbe = Readonly<Record<string, number | string>>;

/** A line of the log of a stored run. */
export interface HistoryPoint {
  readonly step: number;
  /** Mean loss since the previous line, and the second network's. */
  readonly loss: number;
  readonly second?: number;
  /** Seconds of training up to this step. */
  readonly seconds: number;
}

export type Report =
  | {
      readonly type: 'ready';
      readonly device: string;
      /** Milliseconds of a training step on each device, or why the GPU failed, if they were measured. */
      readonly deviceProbe: DeviceProbe | undefined;
      readonly threads: string;
      readonly parameters: number;
      /** Number of classes to choose from; 0 for an unconditional model. */
      readonly classes: number;
      /** Of the noise schedule, [T]. */
      readonly alphasCumprod: Float64Array;
      /** Learning rate and momentum (beta1) at `steps / 200` intervals, [201]. */
      readonly lr: Float64Array;
      readonly momentum: Float64Array;
      /** Standard normal noise of one image, [H, W, C]. */
      readonly noise: Float32Array;
      /** True if a reload continues this run; otherwise the reason why not. */
      readonly isStored: true | string;
      /** What the user should know, such as why a stored run was not continued. */
      readonly note?: string;
      /** Images of the stored run, if the page did not send any. */
      readonly data?: TrainingImages;
      /** Steps done, and the log, of the stored run; 0 and empty for a new one. */
      readonly step: number;
      readonly history: readonly HistoryPoint[];
      /** Pictures of earlier steps of the stored run. */
      readonly drawings: readonly Drawing[];
      /** Seconds since the worker received the request. */
      readonly seconds: number;
    }
  /** Neither the page nor the stored run has images. */
  | { readonly type: 'needsImages' }
  | {
      readonly type: 'step';
      /** Steps done. */
      readonly step: number;
      /** Of each model. */
      readonly losses: readonly number[];
      /** Running loss of the first model in ten equal ranges of the timestep; NaN if none was seen yet. */
      readonly levels: Float32Array;
      readonly seconds: number;
      /** If the update was skipped, the reason. */
      readonly skipped?: string;
    }
  | {
      readonly type: 'pictures';
      readonly step: number;
      /** Of each model: [16, H, W, C] in [-1, 1]. */
      readonly pictures: readonly Float32Array[];
      readonly agreement?: Agreement;
      readonly seconds: number;
    }
  | { readonly type: 'drawn'; readonly options: DrawOptions; readonly frames: readonly Frame[]; readonly step: number }
  | { readonly type: 'weights'; readonly bytes: Uint8Array<ArrayBuffer>; readonly step: number }
  /** The run as a zip archive. */
  /** `step` is the last one that could be saved; `problem` says why later ones could not. */
  | { readonly type: 'run'; readonly zip: Blob; readonly step: number; readonly problem: string | undefined }
  /** A request that failed; training continues. */
  | { readonly type: 'refused'; readonly request: 'draw' | 'weights' | 'run'; readonly message: string }
  /** Whether the last pictures and the run were saved: a message if not. */
  | { readonly type: 'saved'; readonly problem: string | undefined; readonly step: number }
  | { readonly type: 'finished' }
  | { readonly type: 'failed'; readonly message: string; readonly code: string | undefined };
