/** `capsuled serve`: the daemon in the foreground, from the configuration to the exit status. */

import { resolve } from 'node:path';
import { loadConfiguration } from '../config/load.js';
import type { DaemonConfiguration } from '../config/normalize.js';
import { exitProcess } from '../engine/exit.js';
import { listed } from '../listed.js';
import { createLogger, type DaemonLogger, isPretty } from '../log.js';
import { LogSink } from '../log-sink.js';
import { printIssues } from './check.js';
import { connectLines, readyListeners } from './connect-lines.js';
import { Daemon, STOP_DEADLINE_MS, logError, logIssues, type StartEngine } from './daemon.js';
import { releaseEarlySignals } from './early-signals.js';
import { ServiceNotifier } from './service-notifier.js';
import { SignalQueue, type Signals } from './signal-queue.js';
import { bold, type Terminal } from './terminal.js';
import { packageVersion } from './version.js';

/** What the outside does to a daemon; the process itself, or a test. */
export interface ServeEnvironment {
  readonly startEngine: StartEngine;
  readonly signals: Signals;
  /** Ends the process at once. */
  readonly exit: (status: number) => void;
  readonly openLog: () => Promise<LogSink>;
  /** How long a start may take once it is told to stop, and then the drain. */
  readonly stopDeadlineMs?: number;
}

const STANDARD_OUTPUT = 1;

const processEnvironment: ServeEnvironment = {
  startEngine: async (options, sink) => {
    const { startEngine } = await import('../engine/engine.js');
    return startEngine(options, sink);
  },
  signals: process,
  exit: exitProcess,
  openLog: async () => {
    const { startLineWriter } = await import('../engine/line-writer.js');
    return new LogSink(startLineWriter(STANDARD_OUTPUT, LogSink.bytesMax));
  },
};

export async function serve(
  file: string,
  terminal: Terminal,
  environment: ServeEnvironment = processEnvironment,
): Promise<number> {
  const signals = new SignalQueue(environment.signals, environment.exit);
  releaseEarlySignals();
  let status = 1;
  try {
    status = await serveUntil(signals, resolve(file), terminal, environment);
    return status;
  } finally {
    signals.close();
    // What is left over shall not hold the process: a thread, a socket, a file that does not
    // answer. The timer itself does not.
    setTimeout(() => {
      environment.exit(status);
    }, 500).unref();
  }
}

async function serveUntil(
  signals: SignalQueue,
  file: string,
  terminal: Terminal,
  environment: ServeEnvironment,
): Promise<number> {
  const loaded = await Promise.race([loadConfiguration(file), signals.stopAsked]);
  if (loaded === undefined) return 0;
  const { issues, configuration } = loaded;
  if (configuration === undefined) {
    printIssues(issues, terminal);
    return 1;
  }
  const sink = await environment.openLog();
  const { isTTY, color } = terminal;
  const logger = await createLogger(configuration.log, { isTTY, color, sink });
  logIssues(logger, issues);
  if (signals.isStopAsked) return 0;
  const notifier = new ServiceNotifier(logger);
  const { startEngine } = environment;
  const version = packageVersion();
  const daemon = new Daemon(configuration, {
    file,
    version,
    logger,
    logSink: sink,
    notifier,
    startEngine,
  });
  const unguard = guard(logger, sink, environment);
  const { stopDeadlineMs = STOP_DEADLINE_MS } = environment;
  try {
    if (!(await startInTime(daemon, signals, stopDeadlineMs))) {
      const seconds = stopDeadlineMs / 1000;
      logger.fatal(
        { seconds, step: daemon.startStep },
        `gave up the start, which was ${daemon.startStep}`,
      );
      unguard();
      return 1;
    }
  } catch (thrown) {
    logError(logger, thrown, 'capsuled cannot start', 'fatal');
    unguard();
    return 1;
  }
  announce(daemon, configuration, logger, terminal, sink);
  await notifier.notify('ready');
  await signals.serve({ reload: () => daemon.reloadAlone() });
  const status = (await daemon.stop(stopDeadlineMs)) ? 0 : 1;
  unguard();
  return status;
}

/**
 * Whether it has started. False: it was told to stop, and the start has not ended in time. A disk,
 * or the file system of the state directory, may never answer.
 */
async function startInTime(
  daemon: Daemon,
  signals: SignalQueue,
  deadlineMs: number,
): Promise<boolean> {
  const started = daemon.start().then(() => true);
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const givenUp = signals.stopAsked.then(
    () =>
      new Promise<boolean>((resolve) => {
        if (isOver) return;
        timer = setTimeout(() => {
          resolve(false);
        }, deadlineMs);
      }),
  );
  try {
    return await Promise.race([started, givenUp]);
  } finally {
    isOver = true;
    clearTimeout(timer);
    // If it ends one day, nobody is there any more.
    started.catch(() => undefined);
  }
}

/** The ready line; on a terminal also the lines to type on a host. */
function announce(
  daemon: Daemon,
  configuration: DaemonConfiguration,
  logger: DaemonLogger,
  terminal: Terminal,
  sink: LogSink,
): void {
  const { listeners } = daemon.target;
  const connect = listed(connectLines(listeners));
  const counts = {
    listenerCount: listeners.length,
    subsystemCount: daemon.target.subsystems.length,
  };
  logger.info(
    { ...counts, listeners: readyListeners(listeners), admin: daemon.adminUrl, connect },
    'ready',
  );
  if (!isPretty(configuration.log.format, terminal)) return;
  for (const line of connect) sink.write(`  ${bold(line, terminal)}\n`);
}

/**
 * What nobody caught is a defect: it is logged with its stack, and the process ends. Node would
 * write its warnings to standard error itself, and wait for whoever reads that; they belong into
 * the log. However the process ends, what was logged before is out, if it is read at all.
 */
function guard(logger: DaemonLogger, sink: LogSink, environment: ServeEnvironment): () => void {
  const onDefect = (thrown: unknown): void => {
    logger.fatal({ err: thrown }, 'unexpected error; this is a defect in capsuled');
    environment.exit(1);
  };
  const onWarning = (warning: Error): void => {
    logger.warn({ err: warning }, 'warning of the runtime');
  };
  const onExit = (): void => {
    sink.flush();
  };
  const onDebugger = (): void => {
    logger.warn({}, 'SIGUSR1 does nothing: the debugger stays closed');
  };
  const warnings = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', onWarning);
  process.on('uncaughtException', onDefect);
  process.on('unhandledRejection', onDefect);
  process.on('exit', onExit);
  environment.signals.on('SIGUSR1', onDebugger);
  return () => {
    sink.flush();
    process.off('exit', onExit);
    environment.signals.off('SIGUSR1', onDebugger);
    process.off('uncaughtException', onDefect);
    process.off('unhandledRejection', onDefect);
    process.off('warning', onWarning);
    for (const listener of warnings) process.on('warning', listener);
  };
}
