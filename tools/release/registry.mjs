// A local npm registry, for the packages of the scope @dm alone. Everything else comes from the registry that npm is
// configured with.
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** Verdaccio without other registries. The tarballs with ONNX Runtime's library have up to 18 MB. */
const CONFIG = `storage: ./storage
auth: { htpasswd: { file: ./htpasswd } }
uplinks: {}
packages:
  '@dm/*': { access: $all, publish: $authenticated }
web: { enable: false }
max_body_size: 200mb
log: { type: stdout, format: pretty, level: error }
`;

/**
 * @typedef {object} Registry
 * @property {string} url with a final slash
 * @property {string} token of a user who may publish
 * @property {() => Promise<void>} close
 */

/** @returns {Promise<number>} */
async function freePort() {
  const server = createServer().listen(0, 'localhost');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

/**
 * Starts an empty registry on a free port of this machine.
 *
 * @param {string} verdaccio path of its program
 * @param {string} folder to store the packages in
 * @returns {Promise<Registry>}
 */
export async function startRegistry(verdaccio, folder) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.yaml'), CONFIG);
  const address = `localhost:${await freePort()}`;
  const child = spawn(process.execPath, [verdaccio, '--config', 'config.yaml', '--listen', address], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (log += text));
  const url = `http://${address}/`;
  const user = { name: 'rehearsal', password: 'rehearsal' };
  for (let attempt = 0; attempt < 240 && child.exitCode === null; attempt++) {
    try {
      const response = await fetch(`${url}-/user/org.couchdb.user:${user.name}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(user),
      });
      const { token } = /** @type {{ token?: string }} */ (await response.json());
      if (token !== undefined) {
        const close = async () => {
          child.kill('SIGKILL'); // does not wait for connections that clients keep alive
          if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        };
        return { url, token, close };
      }
    } catch {
      // It is not listening yet.
    }
    await new Promise((done) => setTimeout(done, 250));
  }
  child.kill();
  throw new Error(`the registry did not start within a minute:\n${log}`);
}
