/**
 * Two hosts on this machine: network namespaces with their own host names, joined by a cable (a veth pair) whose rate is
 * limited by the token bucket of tc. Needs root, and `ip` and `tc` of iproute2.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const hosts = /** @type {const} */ (['dm-a', 'dm-b']);
/** The network interface of each host. */
const cable = 'dm0';

/** Bytes of TCP payload in an Ethernet frame of 1514 bytes, which is what tc counts: IP, TCP, and timestamps take the rest. */
export const payloadFraction = 1448 / 1514;

/** @typedef {{ code: number | null, out: string, error: string }} Ended */

/** What is missing to create the hosts; undefined if nothing is. */
export function missingForHosts() {
  if (process.platform !== 'linux') return 'Linux';
  if (process.getuid?.() !== 0) return 'root';
  const programs = ['ip', 'tc'].filter((program) => spawnSync(program, ['-V']).status !== 0);
  if (programs.length > 0) return `${programs.join(' and ')} (Debian: iproute2)`;
  // A container may allow some of it only.
  const namespaces = hosts.map((host) => namespaceOf(host));
  try {
    try {
      connect(namespaces, 1);
    } finally {
      removeExisting(namespaces);
    }
    return undefined;
  } catch (error) {
    return `network namespaces joined by a cable of limited rate (${error instanceof Error ? error.message : String(error)})`;
  }
}

/** The launchers of this machine, with the arguments that start one process on each host. */
export function hostLaunchers() {
  return [
    {
      name: 'Open MPI',
      program: 'mpirun.openmpi',
      args: (/** @type {string} */ remoteShell) =>
        [
          `--oversubscribe --bind-to none --host ${hosts.map((host) => `${host}:1`).join(',')}`,
          `--mca plm_rsh_agent ${remoteShell} --mca oob_tcp_if_include ${cable}`,
          // Its daemons would wait for each other over a cut cable for minutes.
          '--mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3',
          `--mca pml ob1 --mca btl tcp,self --mca btl_tcp_if_include ${cable}`,
        ].join(' '),
    },
    {
      name: 'MPICH',
      program: 'mpirun.mpich',
      args: (/** @type {string} */ remoteShell) =>
        `-launcher ssh -launcher-exec ${remoteShell} -iface ${cable} -hosts ${hosts.join(',')} -ppn 1`,
    },
  ].filter(({ program }) => spawnSync(program, ['--version']).status === 0);
}

/** @typedef {ReturnType<typeof hostLaunchers>[number]} HostLauncher */

/** @param {string} line a program and its arguments, none of which contains spaces @returns its output */
function command(line) {
  const [program, ...args] = line.split(' ');
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${line} failed: ${stderr.trim()}`);
  return stdout;
}

/** The namespace of a host. Its name tells which process created it. @param {string} host @param {number} [pid] */
const namespaceOf = (host, pid = process.pid) => `${host}-of-${pid}`;

/** Process ids in the namespace of a host. @param {string} namespace @returns {number[]} */
const processesIn = (namespace) => command(`ip netns pids ${namespace}`).split(/\s+/).filter(Boolean).map(Number);

/** @param {string} namespace */
function removeNamespace(namespace) {
  for (const pid of processesIn(namespace)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended.
    }
  }
  command(`ip netns delete ${namespace}`); // and the cable with it
}

/** @param {readonly string[]} namespaces */
function removeExisting(namespaces) {
  const left = command('ip netns list');
  for (const namespace of namespaces) if (left.includes(namespace)) removeNamespace(namespace);
}

/**
 * Creates two namespaces and the cable between them.
 *
 * @param {readonly string[]} namespaces @param {number} gbits
 */
function connect(namespaces, gbits) {
  for (const namespace of namespaces) command(`ip netns add ${namespace}`);
  const [first, second] = namespaces;
  command(`ip link add ${cable} netns ${first} type veth peer name ${cable} netns ${second}`);
  for (const [i, namespace] of namespaces.entries()) {
    command(`ip -n ${namespace} address add 10.99.0.${i + 1}/24 dev ${cable}`);
    command(`ip -n ${namespace} link set lo up`);
    command(`ip -n ${namespace} link set ${cable} up`);
    // Gives up a connection after 5 instead of 15 repeats, in seconds instead of a quarter of an hour.
    command(`ip netns exec ${namespace} sysctl -qw net.ipv4.tcp_retries2=5`);
    command(`tc -n ${namespace} qdisc add dev ${cable} root tbf rate ${gbits}gbit burst 256kb latency 50ms`);
    // Another host name: see `onHost`.
    command(`ip netns exec ${namespace} unshare --uts --ipc true`);
  }
}

/** Removes what killed runs have left. */
function removeStale() {
  for (const line of command('ip netns list').split('\n')) {
    const [namespace] = line.split(' ');
    const owner = /^dm-[ab]-of-(\d+)$/.exec(namespace)?.[1];
    if (owner === undefined) continue;
    try {
      process.kill(Number(owner), 0);
    } catch {
      removeNamespace(namespace);
    }
  }
}

/**
 * Creates the hosts. Call `remove` whatever happens; what a killed process leaves is removed by the next call.
 *
 * @param {{ gbits: number }} options rate of the cable in each direction, in Gbit/s
 */
export async function createHosts({ gbits }) {
  removeStale();
  const folder = mkdtempSync(join(tmpdir(), 'dm-hosts-'));
  /** Runs a program on a host: `on-host <namespace> <host> <program> ...`. */
  const onHost = join(folder, 'on-host');
  writeFileSync(
    onHost,
    `#!/bin/sh\nnamespace=$1; shift\nexec ip netns exec "$namespace" unshare --uts --ipc -- sh -c 'hostname "$0"; exec "$@"' "$@"\n`,
    { mode: 0o755 },
  );
  /** Called by mpirun like ssh: options, the host, and a command line for its shell. */
  const remoteShell = join(folder, 'remote-shell');
  writeFileSync(
    remoteShell,
    `#!/bin/sh\nwhile [ "\${1#-}" != "$1" ]; do shift; done\nhost=$1; shift\nexec ${onHost} "$host-of-${process.pid}" "$host" sh -c "$*"\n`,
    { mode: 0o755 },
  );
  const namespaces = hosts.map((host) => namespaceOf(host));

  const remove = () => {
    removeExisting(namespaces);
    rmSync(folder, { recursive: true, force: true });
    process.off('exit', remove);
  };
  process.on('exit', remove);

  connect(namespaces, gbits);
  const second = namespaces[1];

  /** @param {string} namespace */
  const linkOf = (namespace) => JSON.parse(command(`ip -n ${namespace} -s -j link show ${cable}`))[0];
  // UCX takes an interface without a carrier for missing.
  const connected = async () => {
    while (namespaces.some((namespace) => linkOf(namespace).operstate !== 'UP')) await sleep(20);
  };
  await connected();

  return {
    remove,
    /**
     * Runs `node <args>` once on each host. The launcher runs on the first one.
     *
     * @param {HostLauncher} launcher @param {readonly string[]} args @param {Record<string, string>} [env]
     * @returns {Promise<Ended>}
     */
    async run({ program, args: launcherArgs }, args, env = {}) {
      const line = [
        program,
        ...launcherArgs(remoteShell).split(' '),
        '-n',
        String(hosts.length),
        process.execPath,
        ...args,
      ];
      const child = spawn(onHost, [namespaces[0], hosts[0], ...line], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          OMPI_ALLOW_RUN_AS_ROOT: '1',
          OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
          UCX_NET_DEVICES: cable,
          FORCE_COLOR: undefined,
          NO_COLOR: '1',
          ...env,
        },
      });
      let [out, error] = ['', ''];
      child.stdout.on('data', (data) => (out += data));
      child.stderr.on('data', (data) => (error += data));
      const code = await new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('close', resolve);
      });
      return { code, out, error };
    },
    /** Cuts the cable: the first host, with the launcher, loses the carrier; its own address stays reachable. */
    cut: () => void command(`ip -n ${second} link set ${cable} down`),
    /** Repairs the cable. */
    async mend() {
      command(`ip -n ${second} link set ${cable} up`);
      await connected();
    },
    /** Bytes that each host has sent over the cable, without what the token bucket dropped. @returns {number[]} */
    sentBytes: () => namespaces.map((namespace) => linkOf(namespace).stats64.tx.bytes),
    /** Waits until no process runs on the hosts. @param {number} seconds */
    async idle(seconds) {
      for (const began = performance.now(); namespaces.flatMap(processesIn).length > 0; await sleep(100)) {
        if (performance.now() - began < 1000 * seconds) continue;
        const left = namespaces
          .flatMap(processesIn)
          .map((pid) => spawnSync('ps', ['-o', 'args=', '-p', String(pid)]).stdout);
        throw new Error(`after ${seconds} s, these processes are left: ${left.join('; ')}`);
      }
    },
  };
}
