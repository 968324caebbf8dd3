/** The drawing board: 16x16 pixels, with a pointer or the keyboard. */
import { ownSide } from './data.js';
import { paintImages } from './pixels.js';

export interface Board {
  /** uint8 [16, 16], white on black. */
  readonly pixels: Uint8Array;
  clear(): void;
}

export function createBoard(canvas: HTMLCanvasElement): Board {
  const pixels = new Uint8Array(ownSide ** 2);
  let [cursorX, cursorY] = [ownSide / 2, ownSide / 2];
  const paint = (): void => {
    paintImages(canvas, pixels, [ownSide, ownSide, 1], 1);
    if (document.activeElement !== canvas) return;
    const context = canvas.getContext('2d')!;
    context.fillStyle = '#ff9d6b';
    context.globalAlpha = 0.7;
    context.fillRect(cursorX, cursorY, 1, 1);
  };
  const set = (x: number, y: number, value: number): void => {
    if (x < 0 || y < 0 || x >= ownSide || y >= ownSide) return;
    pixels[y * ownSide + x] = value;
  };

  const drawAt = (event: PointerEvent): void => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [x, y] = [((event.clientX - left) / width) * ownSide, ((event.clientY - top) / height) * ownSide];
    set(Math.floor(x), Math.floor(y), 255);
    paint();
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    drawAt(event);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (event.buttons === 0) return;
    // A fast stroke has several positions per event.
    for (const one of event.getCoalescedEvents()) drawAt(one);
    drawAt(event);
  });

  const moves: Readonly<Record<string, readonly [number, number]>> = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, -1],
    ArrowDown: [0, 1],
  };
  canvas.addEventListener('keydown', (event) => {
    const move = moves[event.key];
    if (move !== undefined) {
      cursorX = Math.min(ownSide - 1, Math.max(0, cursorX + move[0]));
      cursorY = Math.min(ownSide - 1, Math.max(0, cursorY + move[1]));
    } else if (event.key === ' ') {
      set(cursorX, cursorY, pixels[cursorY * ownSide + cursorX]! > 0 ? 0 : 255);
    } else return;
    event.preventDefault();
    paint();
  });
  canvas.addEventListener('focus', paint);
  canvas.addEventListener('blur', paint);
  paint();
  return {
    pixels,
    clear() {
      pixels.fill(0);
      paint();
    },
  };
}
