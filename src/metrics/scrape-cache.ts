/**
 * What a scrape reads, it reads once, however many families show some of it: views of the target
 * are made anew each time they are asked for, and the engine's statistics are copied.
 */

import type { Engine } from '../engine/engine-types.js';
import type { ObservedTarget } from './families.js';

/** What metrics read of an engine. */
export type ObservedEngine = Pick<
  Engine,
  'bdevStats' | 'facts' | 'namespaceErrors' | 'namespaceStats' | 'reactorStats' | 'transportStats'
>;

export class ScrapeCache {
  #scrape = 0;

  /** From now on everything is read anew. */
  begin(): void {
    this.#scrape += 1;
  }

  /** As `read`, but called once for each scrape. */
  once<T>(read: () => T): () => T {
    let known: { scrape: number; value: T } | undefined;
    return () => {
      if (known?.scrape !== this.#scrape) known = { scrape: this.#scrape, value: read() };
      return known.value;
    };
  }

  engine(engine: Engine): ObservedEngine {
    return {
      facts: engine.facts,
      reactorStats: this.once(() => engine.reactorStats()),
      transportStats: this.once(() => engine.transportStats()),
      // These are asked for by one reading each.
      bdevStats: (name) => engine.bdevStats(name),
      namespaceErrors: (table, nsid) => engine.namespaceErrors(table, nsid),
      namespaceStats: (table, nsid) => engine.namespaceStats(table, nsid),
    };
  }

  /** Whatever property of it is read. Its views are getters, which make them anew. */
  target(target: ObservedTarget): ObservedTarget {
    const known = new Map<string | symbol, () => unknown>();
    return new Proxy(target, {
      get: (of, key) => {
        const read = known.get(key) ?? this.once(() => Reflect.get(of, key, of) as unknown);
        known.set(key, read);
        return read();
      },
    });
  }
}
