/** The last errors of one controller, for the Error Information log page. */

export interface ErrorLogEntry {
  /** Counts from 1 over the controller's life. */
  readonly errorCount: bigint;
  readonly sqid: number;
  readonly cid: number;
  /** As {@link CommandAnswer.status}: without the phase bit. */
  readonly status: number;
  readonly nsid: number;
  readonly opcode: number;
  /** First block of an I/O command, else 0. */
  readonly lba: bigint;
  /** Byte of the submission queue entry at fault, or null. */
  readonly parameterByte: number | null;
}

export class ErrorLog {
  readonly capacity: number;
  readonly #ring: ErrorLogEntry[] = [];
  #errorCount = 0n;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Errors since the controller was created, forgotten ones included. */
  get errorCount(): bigint {
    return this.#errorCount;
  }

  add(error: Omit<ErrorLogEntry, 'errorCount'>): void {
    this.#errorCount += 1n;
    if (this.#ring.length === this.capacity) this.#ring.shift();
    this.#ring.push({ ...error, errorCount: this.#errorCount });
  }

  /** Newest first, as the log page has them. */
  get entries(): readonly ErrorLogEntry[] {
    return this.#ring.toReversed();
  }
}
