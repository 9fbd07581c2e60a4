/**
 * Whose bytes HTTP looks at next. HTTP shares JavaScript's loop with all that hosts ask of the
 * control plane, so a turn of the loop has one piece of one connection, with at most one request in
 * it. Addresses take turns first, then the connections of each.
 */

export interface TurnTaker {
  /** Of the peer, as hostOf() says it. */
  readonly host: string;
  /** Looks at one piece. True: there is another one, for another turn. */
  takeTurn(): boolean;
}

export class HttpTurns {
  readonly #soon: (run: () => void) => void;
  /** By host, in the order of their turns; of each, who has a piece, in the order of theirs. */
  readonly #lines = new Map<string, Set<TurnTaker>>();
  #scheduled = false;

  /** `soon` runs something in the next turn of the event loop. */
  constructor(soon: (run: () => void) => void = (run) => void setImmediate(run)) {
    this.#soon = soon;
  }

  /** Once for all that it wants now. */
  want(taker: TurnTaker): void {
    const line = this.#lines.get(taker.host);
    if (line === undefined) this.#lines.set(taker.host, new Set([taker]));
    else line.add(taker);
    this.#schedule();
  }

  forget(taker: TurnTaker): void {
    const line = this.#lines.get(taker.host);
    line?.delete(taker);
    if (line?.size === 0) this.#lines.delete(taker.host);
  }

  #schedule(): void {
    if (this.#scheduled || this.#lines.size === 0) return;
    this.#scheduled = true;
    this.#soon(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    const [first] = this.#lines;
    if (first === undefined) return;
    const [host, line] = first;
    const [taker] = line;
    this.#lines.delete(host);
    if (taker !== undefined) line.delete(taker);
    if (line.size > 0) this.#lines.set(host, line);
    try {
      if (taker?.takeTurn() === true) this.want(taker);
    } finally {
      this.#schedule();
    }
  };
}
