/** Environment variables that MPI libraries and their transports read when they are loaded. */
import { readdirSync } from 'node:fs';
import type { Launcher } from './launcher.js';

/**
 * Settings of UCX, the transport below most MPI libraries. By default, UCX overwrites the first instructions of brk and
 * mmap in the C library, and tests this by moving the end of the heap up and down by a page, although the threads of V8
 * allocate at the same time: a page of theirs can be unmapped. It also replaces V8's handler of SIGSEGV, which turns
 * out-of-bounds accesses of WebAssembly into exceptions.
 */
const ucxSettings = { UCX_MEM_EVENTS: 'n', UCX_HANDLE_ERRORS: 'none' };

/**
 * Sends long messages of UCX like short ones, without asking the receiver first (rendezvous). Over TCP, two ranks that
 * exchange long messages by rendezvous send one after the other most of the time, so that a sum takes half as long again;
 * see also https://github.com/openucx/ucx/pull/4836. With RDMA, and between ranks of one host, rendezvous is faster.
 */
const ucxOverTcp = { UCX_RNDV_THRESH: 'inf' };

/**
 * Sums in place by a ring (1), in which every rank sends 2 (N-1)/N times the array. For sums in place, Open MPI uses a
 * binomial tree otherwise, in which the array is sent 2 log2(N) times, one after another.
 */
const openMpiSettings = { OMPI_MCA_coll_libnbc_iallreduce_algorithm: '1' };

/**
 * The settings for the processes of a launcher, by the names of their variables. Values that the user set take precedence.
 * They affect speed and stability, never the result of a call, so ranks may differ in them.
 */
export function librarySettings(
  launcher: Pick<Launcher, 'spansHosts'> | undefined,
  hasRdma = hasRdmaDevice(),
): Readonly<Record<string, string>> {
  return { ...ucxSettings, ...openMpiSettings, ...(launcher?.spansHosts === true && !hasRdma && ucxOverTcp) };
}

/** Whether Linux has an InfiniBand or RoCE device, which UCX prefers to TCP. */
function hasRdmaDevice(): boolean {
  try {
    return readdirSync('/sys/class/infiniband').length > 0;
  } catch {
    return false;
  }
}
