import { once } from 'node:events';
import { createServer } from 'node:net';

/** What the guest connects to. */
export interface Target {
  /** For the guest: KIND, PORT, DISCOVERY_PORT, ADMIN_PORT, TRADDR, LISTENERS (`nqn=port …`). */
  readonly guestEnv: Readonly<Record<string, string>>;
  /** What it printed. */
  readonly log: string;
  /** Shows that nothing is left of the guest; throws an Error that says what is. */
  checkClean(): Promise<void>;
  /** Ends it; throws if it does not end well. */
  stop(): Promise<void>;
}

/** Polls until `probe` gives something; throws after `seconds`, with `what` and the last error. */
export async function until<T>(
  what: string,
  seconds: number,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = performance.now() + seconds * 1000;
  let last: string;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined) return value;
      last = '';
    } catch (error) {
      last = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() > end) throw new Error(`${what}: not after ${String(seconds)} s${last}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
