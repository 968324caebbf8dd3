// A page that generates images with an exported model, in a module worker.
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });

globalThis.run = (/** @type {unknown} */ task) =>
  new Promise((resolve, reject) => {
    worker.addEventListener('message', ({ data }) => resolve(data), { once: true });
    worker.addEventListener('error', ({ message }) => reject(new Error(message)), { once: true });
    worker.postMessage(task);
  });
