import type { OuterSide } from '../behaviour.js';
import { until } from '../target.js';

const metric = 'capsuled_keep_alive_expired_total';

const side: OuterSide = {
  actions: {
    /** From now on, looks for the expiry and for the moment without a controller. */
    watch: async (outer) => {
      const { daemon } = outer;
      const before = await daemon.metric(metric);
      if (before === undefined) throw new Error(`no metric ${metric}`);
      const seen = until('keep-alive expired and the controller freed', 60, async () => {
        const expired = ((await daemon.metric(metric)) ?? 0) - before;
        const controllers = await daemon.list('/v1/controllers');
        if (expired > 0 && controllers.length === 0) return expired;
        throw new Error(`expired ${String(expired)}, controllers ${String(controllers.length)}`);
      });
      seen.catch(() => undefined); // `expired` reports it
      outer.notes.set('seen', seen);
      return undefined;
    },
    expired: async (outer) => {
      const expired = (await outer.notes.get('seen')) as number;
      if (expired !== 1) throw new Error(`${metric} rose by ${String(expired)}`);
      const line = outer.daemon.events.find((event) =>
        /keep.?alive/i.test(JSON.stringify(event['msg'])),
      );
      if (line === undefined) throw new Error('no log line about the keep-alive time-out');
      return JSON.stringify(line);
    },
  },
};
export default side;
