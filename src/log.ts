/** The daemon's log: one line per event on standard output, never one per I/O. */

import { pino, stdTimeFunctions, type Logger as PinoLogger } from 'pino';
import type { LogOptions } from './config/normalize.js';
import { namedFields } from './field-names.js';
import type { LogSink } from './log-sink.js';
import { printableJson, printableLine } from './printable.js';

export type DaemonLogger = PinoLogger;

/** Where a log goes, and what is known about that. */
export interface LogOutput {
  readonly isTTY: boolean;
  readonly color: boolean;
  readonly sink: LogSink;
}

/** Whether {@link createLogger} will write for people. */
export function isPretty(format: LogOptions['format'], output: Pick<LogOutput, 'isTTY'>): boolean {
  return format === 'auto' ? output.isTTY : format === 'pretty';
}

export async function createLogger(options: LogOptions, output: LogOutput): Promise<DaemonLogger> {
  const { sink } = output;
  const stream = isPretty(options.format, output)
    ? await prettyStream(sink, output.color)
    : jsonStream(sink);
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: namedFields },
    },
    stream,
  );
  const always = insistent(logger);
  sink.sayLost = (lines, reason) => {
    const what = lines === 1 ? '1 line' : `${lines} lines`;
    always.error({ lines, reason }, `${what} of the log lost here: ${reason}`);
  };
  return logger;
}

/**
 * For errors that are the answer to what somebody asked of the daemon, or are about the log itself:
 * they are written whatever `log.level` says, because their place is nowhere else.
 */
export function insistent(logger: DaemonLogger): DaemonLogger {
  return logger.child({}, { level: 'error' });
}

async function prettyStream(sink: LogSink, colorize: boolean) {
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
      sink.write(format(JSON.parse(line, printableValue)));
    },
  };
}

/** What hosts, files and the kernel called something may be in any line. */
function jsonStream(sink: LogSink) {
  return {
    write: (line: string) => {
      sink.write(printableJson(line));
    },
  };
}

/** A stack has lines of its own. */
function printableValue(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (key !== 'stack') return printableLine(value);
  return value.split('\n').map(printableLine).join('\n');
}
