/** Steps after which the first pictures are drawn: soon after the start, when each few steps change them. */
const early = [1, 20, 50];

/**
 * Decides when to draw the pictures again: early ones after fixed numbers of steps, then as soon as drawing
 * and saving them has taken at most `share` of the time.
 */
export class PictureSchedule {
  private trained = 0;
  private lastDrawing = 0;
  private drawnAt = -1;

  /** `share` is the largest fraction of the time that pictures may take, in (0, 1). */
  constructor(private readonly share: number) {}

  /** Records the seconds of a training step. */
  addStep(seconds: number): void {
    this.trained += seconds;
  }

  /** Whether to draw after `step` steps. */
  isDue(step: number): boolean {
    if (step === this.drawnAt) return false;
    if (early.includes(step)) return true;
    return this.lastDrawing <= this.share * (this.lastDrawing + this.trained);
  }

  /** Records the seconds that drawing and saving took after `step` steps. */
  addDrawing(step: number, seconds: number): void {
    this.drawnAt = step;
    this.lastDrawing = seconds;
    this.trained = 0;
  }
}
