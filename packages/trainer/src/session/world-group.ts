/** The ranks of an MPI world as a `Group`. */
import { deserialize, serialize } from 'node:v8';
import type { World } from '@dm/mpi';
import { alone, type Group } from '../setup/group.js';
import { deserializeError, messageOf, serializeError, UserError, type SerializedError } from '../errors.js';

type Message<T> = { readonly value: T } | { readonly error: SerializedError };

/** Errors that have been thrown on all ranks. */
const shared = new WeakSet<object>();

/** Whether all ranks have thrown this error, so that all of them end and one of them can report it. */
export function isSharedError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && shared.has(error);
}

/** The group of a world; `alone` if it has one rank. */
export function groupOf(world: World): Group {
  if (world.size === 1) return alone;
  const { rank, size, hosts } = world;
  const nameOf = (of: number) => `rank ${of} (${hosts[of]})`;

  const exchange: Group['exchange'] = async <T>(
    work: () => T | Promise<T>,
    { to }: { readonly to?: number } = {},
  ): Promise<T[]> => {
    if (to !== undefined) return exchangeTo(work, to);
    let own: Message<T>;
    let thrown: unknown;
    try {
      own = { value: await work() };
    } catch (error) {
      if (isSharedError(error)) throw error; // the others know it already, from an exchange within `work`
      thrown = error;
      own = { error: serializeError(error) };
    }
    const all = (await world.gather(serialize(own))).map((bytes) => deserialize(bytes) as Message<T>);
    const failed = all.findIndex((message) => 'error' in message);
    if (failed === -1) return all.map((message) => (message as { readonly value: T }).value);
    throw sharedError(failed, failed === rank ? thrown : (all[failed] as { readonly error: SerializedError }).error);
  };

  /** The results are large: first whether all succeeded, then the results to one rank. */
  const exchangeTo = async <T>(work: () => T | Promise<T>, to: number): Promise<T[]> => {
    let own: T;
    await exchange(async () => {
      own = await work();
      return undefined;
    });
    return (await world.gather(serialize(own!), { to })).map((bytes) => deserialize(bytes) as T);
  };

  const sharedError = (failed: number, error: unknown): object => {
    const isOwn = failed === rank;
    // Rank 0 reports it: it names another rank, unless all ranks would have the same error.
    const result = isOwn ? asObject(error) : named(nameOf(failed), error as SerializedError);
    shared.add(result);
    return result;
  };

  return {
    rank,
    size,
    nameOf,
    exchange,
    fail: async (error) => {
      await exchange(() => {
        throw error;
      });
      throw error;
    },
    sum: (array) => world.sum(array),
    broadcast: (array) => world.broadcast(array),
    busy: (work) => world.busy(work),
    describe: (activity) => world.describe(activity),
  };
}

function asObject(error: unknown): object {
  return error instanceof Error ? error : new UserError(messageOf(error));
}

/** The error of another rank, with its name in front of the message. */
function named(name: string, error: SerializedError): Error {
  return deserializeError({ ...error, message: `${name}: ${error.message}`, stack: `${name}: ${error.stack}` });
}
