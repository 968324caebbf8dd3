// The page: asks the worker for an image, and draws it.
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
const form = /** @type {HTMLFormElement} */ (document.getElementById('request'));
const status = /** @type {HTMLElement} */ (document.getElementById('status'));
const canvas = /** @type {HTMLCanvasElement} */ (document.getElementById('image'));

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const { label, seed, device } = Object.fromEntries(new FormData(form));
  status.textContent = 'Generating';
  worker.postMessage({
    url: new URL('model/', location.href).href,
    // A name, or the number, of a class; none for a model without classes.
    request: { ...(label !== '' && { label: isNaN(Number(label)) ? label : Number(label) }), seed: Number(seed), n: 1 },
    device,
  });
});

worker.addEventListener('error', ({ message }) => {
  status.textContent = message || 'The worker could not be loaded.';
});
worker.addEventListener('message', ({ data: { data, shape, error } }) => {
  status.textContent = error ?? '';
  if (error !== undefined) return;
  const [, height, width, channels] = shape;
  Object.assign(canvas, { height, width });
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    const rgb = [0, 1, 2].map((c) => 127.5 * (1 + data[i * channels + (channels === 3 ? c : 0)]));
    image.data.set([...rgb, 255], 4 * i);
  }
  canvas.getContext('2d')?.putImageData(image, 0, 0);
});
