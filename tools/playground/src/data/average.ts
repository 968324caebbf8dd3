/**
 * Halves the size of images by averaging squares of 2x2 pixels, rounded to the nearest byte: uint8 [N, H, W] →
 * [N, H / 2, W / 2]. H and W are even.
 */
export function halveImages(images: Uint8Array, height: number, width: number): Uint8Array<ArrayBuffer> {
  const [rows, columns] = [height / 2, width / 2];
  const halved = new Uint8Array(images.length / 4);
  for (let i = 0; i < halved.length; i++) {
    const [n, y, x] = [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns];
    const at = (n * height + 2 * y) * width + 2 * x;
    halved[i] = Math.round((images[at]! + images[at + 1]! + images[at + width]! + images[at + width + 1]!) / 4);
  }
  return halved;
}
