/**
 * Controller identifiers of one subsystem. Goes round its range, so that an identifier that was
 * just given back is the last to be given out again: a host's stale reference then fails instead of
 * reaching somebody else's controller.
 */
export class CntlidAllocator {
  readonly first: number;
  readonly last: number;
  #next: number;

  constructor(range: readonly [number, number]) {
    [this.first, this.last] = range;
    this.#next = this.first;
  }

  /** An identifier that is not `used`, or null. */
  allocate(used: { has(cntlid: number): boolean }): number | null {
    const count = this.last - this.first + 1;
    for (let tried = 0; tried < count; tried += 1) {
      const cntlid = this.#next;
      this.#next = cntlid === this.last ? this.first : cntlid + 1;
      if (!used.has(cntlid)) return cntlid;
    }
    return null;
  }
}
