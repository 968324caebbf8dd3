/** A training worker, from the page's side. */
import type { PlaygroundConfig } from '../config.js';
import type { DrawOptions, Report, Request, TrainingImages } from '../worker/messages.js';

export class TrainingRun {
  private readonly worker: Worker;

  constructor(
    config: PlaygroundConfig,
    data: TrainingImages | undefined,
    resume: boolean,
    listener: (report: Report) => void,
  ) {
    this.worker = new Worker(new URL('../worker/worker.ts', import.meta.url), { type: 'module' });
    this.worker.addEventListener('message', ({ data: report }: MessageEvent<Report>) => listener(report));
    this.worker.addEventListener('error', ({ message }) =>
      listener({ type: 'failed', message: message || 'The training worker could not be loaded.', code: undefined }),
    );
    this.send({ type: 'start', config, data, resume });
  }

  request(type: 'play' | 'pause' | 'step' | 'weights' | 'run'): void {
    this.send({ type });
  }

  draw(options: DrawOptions): void {
    this.send({ type: 'draw', options });
  }

  /** Ends the worker, also within a step, and frees its memory. */
  stop(): void {
    this.worker.terminate();
  }

  private send(request: Request): void {
    this.worker.postMessage(request);
  }
}
