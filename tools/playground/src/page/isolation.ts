/** Registers the service worker, which stores the page for use without a network and makes it cross-origin isolated. */

const reloadedKey = 'playground-reloaded';

/**
 * Returns a message if the page has to do without threads, undefined otherwise. May reload the page once, to get the
 * headers of cross-origin isolation from the service worker; then the promise does not resolve.
 */
export async function prepareIsolation(): Promise<string | undefined> {
  const isolated = globalThis.crossOriginIsolated;
  if (isolated) markReload(false);
  if (!('serviceWorker' in navigator) || !isSecureContext) {
    return isolated ? undefined : `This address has no service workers (it needs https or localhost). ${oneThread}`;
  }
  try {
    const registration = await navigator.serviceWorker.register('./service-worker.js');
    if (isolated) return undefined;
    if (!(await isActivated(registration))) return `The page could not be stored in time. ${oneThread}`;
  } catch {
    return isolated ? undefined : `The service worker could not be installed. ${oneThread}`;
  }
  // Without the mark, a browser that ignores the headers would reload forever.
  if (!markReload(true)) return `This browser does not isolate the page. ${oneThread}`;
  location.reload();
  return new Promise(() => {});
}

/** Marks that the page reloads itself, or removes the mark; false if it is marked already, or a mark cannot be stored. */
function markReload(isReloading: boolean): boolean {
  try {
    if (!isReloading) sessionStorage.removeItem(reloadedKey);
    else if (sessionStorage.getItem(reloadedKey) !== null) return false;
    else sessionStorage.setItem(reloadedKey, '1');
    return true;
  } catch {
    return false; // a browser may refuse all storage
  }
}

/** Seconds to wait for the service worker, which stores about 16 MB first. A later visit has it at once. */
const longestWait = 20;

/** Whether the service worker becomes active. Not `serviceWorker.ready`, which never settles if the installation fails. */
async function isActivated({ installing, waiting, active }: ServiceWorkerRegistration): Promise<boolean> {
  const worker = installing ?? waiting ?? active;
  if (worker === null) return false;
  return new Promise((resolve) => {
    const check = (): void => {
      if (worker.state === 'activated') resolve(true);
      else if (worker.state === 'redundant') resolve(false);
    };
    worker.addEventListener('statechange', check);
    check();
    setTimeout(() => resolve(false), 1000 * longestWait);
  });
}

const oneThread = 'Training works, but on one thread, which is slower.';
