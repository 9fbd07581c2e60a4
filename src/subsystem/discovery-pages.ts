/**
 * The discovery log pages that hosts are reading. Hosts that may see the same read the same bytes,
 * made once for each change and kept with the engine; so a flood of reads costs neither time nor
 * memory of its own.
 *
 * Pages are kept for a while after they were last read, for hosts that read in parts, and the one
 * that was read longest ago goes when there would be too many.
 */

import type { Engine } from '../engine/engine-types.js';
import type { Clock } from './target-options.js';

/** One page with the engine. */
export class DiscoveryPage {
  readonly length: number;
  /** The engine's number of it; null when it was dropped. */
  page: number | null;
  usedAtMs: number;

  constructor(page: number, length: number, usedAtMs: number) {
    this.page = page;
    this.length = length;
    this.usedAtMs = usedAtMs;
  }
}

export class DiscoveryPages {
  static readonly pagesMax = 64;
  static readonly bytesMax = 16 * 2 ** 20;
  static readonly idleMs = 60_000;

  readonly #engine: Engine;
  readonly #clock: Clock;
  /** Least recently used first. */
  readonly #pages = new Map<string, DiscoveryPage>();
  #bytes = 0;
  #running = false;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  get size(): number {
    return this.#pages.size;
  }

  /** The page of that key, made if it is not kept; null if the engine has no room for it. */
  take(key: string, make: () => Buffer): DiscoveryPage | null {
    const kept = this.#pages.get(key);
    if (kept !== undefined) {
      this.#pages.delete(key);
      this.#pages.set(key, kept);
      this.touch(kept);
      return kept;
    }
    const bytes = make();
    this.#makeRoom(bytes.length);
    const number = this.#engine.pageCreate(bytes);
    if (number === null) return null;
    const page = new DiscoveryPage(number, bytes.length, this.#clock.nowMs());
    this.#pages.set(key, page);
    this.#bytes += page.length;
    this.#watch();
    return page;
  }

  /** A host reads on in it. */
  touch(page: DiscoveryPage): void {
    page.usedAtMs = this.#clock.nowMs();
  }

  #makeRoom(bytes: number): void {
    for (const [key, page] of this.#pages) {
      const fits = this.#bytes + bytes <= DiscoveryPages.bytesMax;
      if (fits && this.#pages.size < DiscoveryPages.pagesMax) return;
      this.#drop(key, page);
    }
  }

  #drop(key: string, page: DiscoveryPage): void {
    if (page.page !== null) this.#engine.pageDelete(page.page);
    page.page = null;
    this.#pages.delete(key);
    this.#bytes -= page.length;
  }

  /** Looks now and then, while there are pages, for those that nobody has read for long. */
  #watch(): void {
    if (this.#running) return;
    this.#running = true;
    this.#clock.after(DiscoveryPages.idleMs, () => {
      this.#running = false;
      const idleSinceMs = this.#clock.nowMs() - DiscoveryPages.idleMs;
      for (const [key, page] of this.#pages) {
        if (page.usedAtMs <= idleSinceMs) this.#drop(key, page);
      }
      if (this.#pages.size > 0) this.#watch();
    });
  }
}
