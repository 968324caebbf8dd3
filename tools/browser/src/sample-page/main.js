// Sends requests to the worker of examples/sample-in-page, one after another, for the test.
const worker = new Worker(new URL('../../../../examples/sample-in-page/worker.js', import.meta.url), {
  type: 'module',
});

/** @param {unknown} task @returns {Promise<{ data: Float32Array, error?: string }>} */
const answer = (task) =>
  new Promise((resolve, reject) => {
    worker.addEventListener('message', ({ data }) => resolve(data), { once: true });
    worker.addEventListener('error', ({ message }) => reject(new Error(message)), { once: true });
    worker.postMessage(task);
  });

/** @typedef {{ url: string, requests: readonly unknown[], device?: 'cpu' | 'webgpu', threads?: number }} Task */

globalThis.run = async (/** @type {Task} */ { requests, ...options }) => {
  const answers = [];
  // oxlint-disable-next-line no-await-in-loop -- one worker
  for (const request of requests) answers.push(await answer({ ...options, request }));
  return answers.find(({ error }) => error) ?? { ...answers[0], images: answers.map(({ data }) => [...data]) };
};
