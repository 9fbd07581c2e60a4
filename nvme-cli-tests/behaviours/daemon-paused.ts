import type { OuterSide } from '../behaviour.js';

const expiredMetric = 'capsuled_keep_alive_expired_total';
const missedMetric = 'capsuled_reactor_missed_seconds_total';

const side: OuterSide = {
  actions: {
    begin: async (outer) => {
      outer.notes.set('connections', await outer.daemon.metric('capsuled_connections_total'));
      return undefined;
    },
    'stop-process': (outer) => {
      outer.daemon.signal('SIGSTOP');
      outer.notes.set('stopped', performance.now());
      return undefined;
    },
    'continue-process': (outer) => {
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
