import type { OuterSide } from '../behaviour.js';
import { until } from '../target.js';

const subsystem = 'nqn.2026-11.test.capsuled:one';

const side: OuterSide = {
  actions: {
    /** One line of the log names host and subsystem, and is at least a warning. */
    'log-names': async (outer, host = '') => {
      const line = await until(`a log line that names ${host} and ${subsystem}`, 5, () =>
        outer.daemon.events.find((event) => {
          const text = JSON.stringify(event);
          return text.includes(host) && text.includes(subsystem);
        }),
      );
      const level = line['level'];
      if (level !== 'warn' && level !== 40) {
        throw new Error(`expected a warning, got ${JSON.stringify(line)}`);
      }
      return JSON.stringify(line);
    },
  },
};
export default side;
