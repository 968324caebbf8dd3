// A page that makes one training step in a module worker, and shows the loss.
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
worker.addEventListener('message', ({ data }) => {
  document.title = data;
});
worker.addEventListener('error', ({ message }) => {
  document.title = `failed: ${message}`;
});
