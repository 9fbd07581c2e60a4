/** The lines of the log that a peer can cause: all go through here, and none without a limit. */

import { hostOf } from '../transport/peer-address.js';
import { LogLimit } from './log-limit.js';
import type { Logger } from './logger.js';
import type { Clock } from './target-options.js';

/** Each has an allowance of its own. */
export type PeerLineKind =
  | 'command_failed'
  | 'connect_refused'
  | 'connection_failed'
  | 'connections_refused'
  | 'controller_failed'
  | 'controller_gone'
  | 'controller_made'
  | 'http_limited'
  | 'keep_alive'
  | 'peer_limited';

type Level = 'info' | 'warn' | 'error';

export class PeerLines {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #limits = new Map<PeerLineKind, LogLimit>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** `address` is the peer's; what the interval has no room for goes to the debug level. */
  write(level: Level, kind: PeerLineKind, address: string, fields: object, message: string): void {
    if (this.#limitOf(kind, level).allows(hostOf(address))) this.#logger[level](fields, message);
    else this.#logger.debug(fields, message);
  }

  #limitOf(kind: PeerLineKind, level: Level): LogLimit {
    let limit = this.#limits.get(kind);
    if (limit === undefined) {
      limit = new LogLimit(this.#clock, ({ count, peers, peer }) => {
        const fields = { kind, count, peers, ...(peer === '' ? {} : { peer }) };
        this.#logger[level](fields, `${String(count)} more lines of this kind were held back`);
      });
      this.#limits.set(kind, limit);
    }
    return limit;
  }
}
