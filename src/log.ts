/** The daemon's log: one line per event on standard output, never one per I/O. */

import { destination, pino, stdTimeFunctions, type Logger as PinoLogger } from 'pino';
import type { LogOptions } from './config/normalize.js';

export type DaemonLogger = PinoLogger;

/** Where a log goes, and what is known about that. */
export interface LogOutput {
  readonly isTTY: boolean;
  readonly color: boolean;
  /** Instead of standard output; for tests. */
  readonly write?: (line: string) => void;
}

/** Whether {@link createLogger} will write for people. */
export function isPretty(format: LogOptions['format'], output: LogOutput): boolean {
  return format === 'auto' ? output.isTTY : format === 'pretty';
}

/** Writes are synchronous: what was logged before an exit is out. */
export async function createLogger(options: LogOptions, output: LogOutput): Promise<DaemonLogger> {
  const sink =
    output.write === undefined ? destination({ dest: 1, sync: true }) : { write: output.write };
  const stream = isPretty(options.format, output) ? await prettyStream(sink, output.color) : sink;
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
}

async function prettyStream(sink: { write: (line: string) => unknown }, colorize: boolean) {
  const { prettyFactory } = await import('pino-pretty');
  const format = prettyFactory({
    colorize,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    // These follow as lines of their own.
    ignore: 'listeners,connect',
  });
  return {
    write: (line: string) => {
      sink.write(format(line));
    },
  };
}
