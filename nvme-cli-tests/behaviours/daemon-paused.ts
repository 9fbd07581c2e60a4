import { setTimeout as sleep } from 'node:timers/promises';
import type { OuterSide } from '../behaviour.js';
import type { Outer } from '../outer.js';

const expiredMetric = 'capsuled_keep_alive_expired_total';
const missedMetric = 'capsuled_reactor_missed_seconds_total';
const keepAlivesMetric = 'capsuled_keep_alive_commands_total';
/** The host's keep-alive time-out (daemon-paused.sh), by the daemon's clock. */
const timeoutMs = 8000;
/** How much older the last Keep Alive is when the daemon goes on. */
const marginMs = 300;
/** How often the outer side looks for Keep Alives. */
const lookMs = 100;

/** Notes when the daemon was last seen to have no more Keep Alives than before. */
async function watchKeepAlives(outer: Outer): Promise<void> {
  let last = -1;
  while (outer.notes.get('stopped') === undefined) {
    const asked = performance.now();
    const count = (await outer.daemon.metric(keepAlivesMetric)) ?? 0;
    if (count !== last) outer.notes.set('kept-alive', asked);
    last = count;
    await sleep(lookMs);
  }
}

const side: OuterSide = {
  actions: {
    begin: async (outer) => {
      outer.notes.set('connections', await outer.daemon.metric('capsuled_connections_total'));
      const watching = watchKeepAlives(outer).catch((error: unknown) => error as Error);
      outer.notes.set('watching', watching);
      return undefined;
    },
    'stop-process': async (outer) => {
      // A process that is stopped does not answer.
      outer.notes.set('stopped', performance.now());
      const failure = await outer.notes.get('watching');
      if (failure instanceof Error) throw failure;
      outer.daemon.signal('SIGSTOP');
      outer.notes.set('stopped', performance.now());
      return undefined;
    },
    'continue-process': async (outer) => {
      const continueAt = (outer.notes.get('kept-alive') as number) + timeoutMs + marginMs;
      await sleep(Math.max(0, continueAt - performance.now()));
      const pausedMs = performance.now() - (outer.notes.get('stopped') as number);
      outer.notes.set('paused', pausedMs);
      outer.daemon.signal('SIGCONT');
      return undefined;
    },
    unharmed: async (outer) => {
      const { daemon } = outer;
      const expired = await daemon.metric(expiredMetric);
      if (expired !== 0) throw new Error(`${expiredMetric} is ${String(expired)}`);
      const connections = await daemon.metric('capsuled_connections_total');
      if (connections !== outer.notes.get('connections')) {
        throw new Error(`the host has connected anew: ${String(connections)} connections`);
      }
      // A sleep that was under way hides up to half a second, and shorter gaps are none.
      const wanted = (outer.notes.get('paused') as number) / 1000 - 1;
      const missed = (await daemon.metric(missedMetric)) ?? 0;
      if (missed < wanted) throw new Error(`${missedMetric} is ${String(missed)}`);
      return undefined;
    },
  },
};
export default side;
