/**
 * Where the daemon's log lines go. The log is the daemon's servant: a reader that stops reading, a
 * full disk or a reader that went away may cost lines, and nothing else. What is lost is counted,
 * and said in the log itself, at the place of the loss, once there is room again.
 *
 * Between the daemon and who reads are at most {@link LogSink.bytesMax} bytes of lines. When they
 * are used up, lines are lost until half of them is free again: so a loss is one gap with one
 * notice, rather than every other line. A line that would need more than half of them is lost
 * whoever reads.
 */

import type { LineWriter } from './engine/line-writer.js';

/** Writes the notice that `lines` were lost; what it writes comes back to {@link LogSink.write}. */
export type SayLost = (lines: number, reason: string) => void;

export class LogSink {
  static readonly bytesMax = 2 ** 20;
  static readonly lineBytesMax = 2 ** 19;
  /** How long the end of the process waits for who reads the log. */
  static readonly flushMsMax = 1000;
  static readonly noticeIntervalMs = 1000;

  readonly #writer: LineWriter;
  #sayLost: SayLost = () => undefined;
  /** Of the gap that has not been said yet. */
  #lost = 0;
  #reason = '';
  #lostTotal = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(writer: LineWriter) {
    this.#writer = writer;
  }

  /** Since the start. */
  get linesLostTotal(): number {
    return this.#lostTotal;
  }

  set sayLost(sayLost: SayLost) {
    this.#sayLost = sayLost;
  }

  /** Never waits and never throws. `line` has its end of line. */
  write(line: string): void {
    this.#noticeLoss();
    if (isLonger(line, LogSink.lineBytesMax)) {
      this.#lostTotal += 1;
      this.#sayLost(1, `it is longer than ${LogSink.lineBytesMax / 1024} KiB`);
      return;
    }
    if (this.#lost > 0 || !this.#writer.write(line)) this.#lose();
  }

  /**
   * For the end of the process: waits a bounded time for what was written, and for the notice of
   * what was not.
   */
  flush(): void {
    if (!this.#writer.flush(LogSink.flushMsMax) || this.#lost === 0) return;
    this.#noticeLoss();
    this.#writer.flush(LogSink.flushMsMax);
  }

  #lose(): void {
    if (this.#lost === 0) {
      this.#reason = this.#writer.status().failure ?? 'they were not read fast enough';
      // Even if nothing more is logged, the loss is said.
      this.#timer = setInterval(() => {
        this.#noticeLoss();
      }, LogSink.noticeIntervalMs).unref();
    }
    this.#lost += 1;
    this.#lostTotal += 1;
  }

  #noticeLoss(): void {
    if (this.#lost === 0 || this.#writer.status().pendingBytes > LogSink.bytesMax / 2) return;
    const lost = this.#lost;
    this.#lost = 0;
    clearInterval(this.#timer);
    this.#sayLost(lost, this.#reason);
  }
}

/** Counts bytes only where characters could be too many. */
function isLonger(line: string, bytesMax: number): boolean {
  const bytesOfCharacterMax = 3;
  return line.length * bytesOfCharacterMax > bytesMax && Buffer.byteLength(line) > bytesMax;
}
