/**
 * Detects ranks that no longer answer: killed, stopped, cut off from the network, or caught in an endless loop.
 *
 * A rank that waits in a call for long sends a question to all others. Every process answers from a timer, so a rank that is
 * merely busy is not taken for a lost one, as long as its event loop turns. Work that may block it for long, such as the
 * eigenvalues of a large matrix, is announced to all others before it begins.
 */
import type { MpiFunctions, Request } from './functions.js';

const tag = 7001;
const question = 1;
const answer = 2;
const begins = 3;
const ends = 4;

/** A rank that has announced work may be silent for so many times as long as others. */
const patience = 30;

export interface WatchdogOptions {
  readonly mpi: Pick<MpiFunctions, 'startSend' | 'receive' | 'test'>;
  readonly rank: number;
  readonly size: number;
  /** Seconds without an answer after which a rank counts as lost; 30 times as long if it has announced work. */
  readonly seconds: number;
  /** Called once, with the ranks that do not answer. */
  readonly onLost: (ranks: readonly number[]) => void;
}

export class Watchdog {
  private readonly timer: NodeJS.Timeout;
  /** By `performance.now()`: when the pending call began to wait; undefined if there is none. */
  private waitingSince: number | undefined;
  private askedAt = 0;
  private readonly heardAt: number[];
  /** Ranks that have announced work. */
  private readonly busy = new Set<number>();
  private hasReported = false;
  /** Pending messages: their memory must outlive the send. */
  private sends: { readonly request: Request; readonly bytes: Uint8Array }[] = [];

  constructor(private readonly options: WatchdogOptions) {
    this.heardAt = Array.from({ length: options.size }, () => performance.now());
    const period = Math.min(1000, (options.seconds * 1000) / 8);
    this.timer = setInterval(() => this.tick(), period);
    this.timer.unref();
  }

  /** Called when a call begins to wait, and when it is done. */
  waiting(isWaiting: boolean): void {
    this.waitingSince = isWaiting ? performance.now() : undefined;
  }

  /** Announces work to all others, or that it is done. */
  working(isWorking: boolean): void {
    const { rank, size } = this.options;
    for (let other = 0; other < size; other++) if (other !== rank) this.send(isWorking ? begins : ends, other);
  }

  /** Answers questions. Also called between the last calls, so that no message is left. */
  serve(): void {
    const { mpi, rank, size } = this.options;
    this.sends = this.sends.filter(({ request }) => !mpi.test(request));
    for (let other = 0; other < size; other++) {
      if (other === rank) continue;
      for (let message = mpi.receive(1, other, tag); message !== undefined; message = mpi.receive(1, other, tag)) {
        this.heardAt[other] = performance.now();
        if (message[0] === question) this.send(answer, other);
        else if (message[0] === begins) this.busy.add(other);
        else if (message[0] === ends) this.busy.delete(other);
      }
    }
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private send(kind: number, to: number): void {
    const bytes = Uint8Array.of(kind);
    this.sends.push({ request: this.options.mpi.startSend(bytes, to, tag), bytes });
  }

  private tick(): void {
    const { size, rank, seconds, onLost } = this.options;
    this.serve();
    const { waitingSince } = this;
    const now = performance.now();
    const limit = seconds * 1000;
    if (waitingSince === undefined || now - waitingSince < limit / 4 || this.hasReported) return;
    if (now - this.askedAt >= limit / 4) {
      this.askedAt = now;
      for (let other = 0; other < size; other++) if (other !== rank) this.send(question, other);
    }
    // Counted from the start of the wait at the earliest, since nobody was asked before.
    const lost = [...this.heardAt.keys()].filter((other) => {
      const silent = now - Math.max(this.heardAt[other]!, waitingSince);
      return other !== rank && silent >= (this.busy.has(other) ? patience * limit : limit);
    });
    if (lost.length === 0) return;
    this.hasReported = true;
    onLost(lost);
  }
}
