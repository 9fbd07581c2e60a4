import { TcpHost } from '../../test/host/tcp-host.js';
import type { OuterSide } from '../behaviour.js';
import type { Outer } from '../outer.js';
import { until } from '../target.js';

const ioQueues = 8;
const writesPerQueue = 32;
/** All queues together ask for several times the memory of the daemon. */
const bytesOfWrite = 1 << 20;

/** A host of 1 MiB writes that answers no R2T, again and again until it is told to stop. */
class OwingHost {
  /** R2Ts that it left unanswered. */
  r2ts = 0;
  #stopped = false;
  #host: TcpHost | undefined;
  readonly #over: Promise<void>;

  constructor(outer: Outer) {
    this.#over = this.#run(outer);
    this.#over.catch(() => undefined); // stop() reports it
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#host?.kill();
    await this.#over;
  }

  async #run(outer: Outer): Promise<void> {
    const port = Number(outer.target.guestEnv['PORT']);
    const nqn = 'nqn.2026-11.test.capsuled:one';
    while (!this.#stopped) {
      const host = await TcpHost.connect({ address: '127.0.0.1', port }, nqn, { ioQueues });
      this.#host = host;
      const payload = Buffer.alloc(bytesOfWrite, 0xee);
      for (const queue of host.queues) {
        queue.onR2t = () => {
          this.r2ts += 1;
        };
        for (let count = 0; count < writesPerQueue; count++) {
          // It ends with its connection.
          queue.tryWrite(0n, payload, { way: 'r2t' }).catch(() => undefined);
        }
      }
      await Promise.race(host.queues.map(({ link }) => link.closed()));
      host.kill();
    }
  }
}

const side: OuterSide = {
  actions: {
    owe: async (outer) => {
      const host = new OwingHost(outer);
      outer.notes.set('owing', host);
      // It has all that it may have, and the rest of its writes waits.
      await until('all that another host may have', 20, async () => {
        const parked = (await outer.daemon.metric('capsuled_parked_commands')) ?? 0;
        return host.r2ts > 0 && parked > 0 ? true : undefined;
      });
      return undefined;
    },
    'stop-owing': async (outer) => {
      const host = outer.notes.get('owing') as OwingHost;
      await host.stop();
      return `${String(host.r2ts)} R2Ts were not answered`;
    },
  },
};
export default side;
