/** `capsuled serve`: the daemon in the foreground, from the configuration to the exit status. */

import { resolve } from 'node:path';
import { loadConfiguration } from '../config/load.js';
import type { DaemonConfiguration } from '../config/normalize.js';
import { createLogger, type DaemonLogger, isPretty } from '../log.js';
import { LogSink } from '../log-sink.js';
import { printIssues } from './check.js';
import { connectLines, readyListeners } from './connect-lines.js';
import { Daemon, logError, logIssues, type StartEngine } from './daemon.js';
import { ServiceNotifier } from './service-notifier.js';
import { bold, type Terminal } from './terminal.js';
import { packageVersion } from './version.js';

type DaemonSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGUSR1';

/** What the outside does to a daemon; the process itself, or a test. */
export interface ServeEnvironment {
  readonly startEngine: StartEngine;
  readonly signals: {
    on: (signal: DaemonSignal, listener: () => void) => unknown;
    off: (signal: DaemonSignal, listener: () => void) => unknown;
  };
  /** Ends the process at once. */
  readonly exit: (status: number) => void;
  readonly openLog: () => Promise<LogSink>;
}

const STANDARD_OUTPUT = 1;

const processEnvironment: ServeEnvironment = {
  startEngine: async (options, sink) => {
    const { startEngine } = await import('../engine/engine.js');
    return startEngine(options, sink);
  },
  signals: process,
  exit: (status) => process.exit(status),
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
  const path = resolve(file);
  const { issues, configuration } = await loadConfiguration(path);
  if (configuration === undefined) {
    printIssues(issues, terminal);
    return 1;
  }
  const sink = await environment.openLog();
  const { isTTY, color } = terminal;
  const logger = await createLogger(configuration.log, { isTTY, color, sink });
  logIssues(logger, issues);
  const notifier = new ServiceNotifier(logger);
  const daemon = new Daemon(configuration, {
    file: path,
    version: packageVersion(),
    logger,
    logSink: sink,
    notifier,
    startEngine: environment.startEngine,
  });
  const unguard = guard(logger, sink, environment);
  const signals = new SignalQueue(daemon, environment);
  try {
    await daemon.start();
  } catch (thrown) {
    logError(logger, thrown, 'capsuled cannot start');
    signals.close();
    unguard();
    return 1;
  }
  announce(daemon, configuration, logger, terminal, sink);
  await notifier.notify('ready');
  const status = await signals.run();
  unguard();
  // A thread or socket that is left over shall not hold the process; the timer itself does not.
  setTimeout(() => {
    environment.exit(status);
  }, 500).unref();
  return status;
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
  const connect = connectLines(listeners);
  logger.info({ listeners: readyListeners(listeners), admin: daemon.adminUrl, connect }, 'ready');
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
  const warnings = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', onWarning);
  process.on('uncaughtException', onDefect);
  process.on('unhandledRejection', onDefect);
  process.on('exit', onExit);
  return () => {
    sink.flush();
    process.off('exit', onExit);
    process.off('uncaughtException', onDefect);
    process.off('unhandledRejection', onDefect);
    process.off('warning', onWarning);
    for (const listener of warnings) process.on('warning', listener);
  };
}

/** Turns signals into reloads and the stop; listens from its creation, acts from {@link run}. */
class SignalQueue {
  readonly #daemon: Daemon;
  readonly #environment: ServeEnvironment;
  #stopRequested = false;
  #wakeStop: () => void = () => undefined;
  #runReloads: () => void = () => undefined;
  /** Reloads are done one after the other; those that were asked for too early begin in `run`. */
  #reloads: Promise<void> = new Promise((resolve) => {
    this.#runReloads = resolve;
  });

  constructor(daemon: Daemon, environment: ServeEnvironment) {
    this.#daemon = daemon;
    this.#environment = environment;
    environment.signals.on('SIGTERM', this.#onStop);
    environment.signals.on('SIGINT', this.#onStop);
    environment.signals.on('SIGHUP', this.#onReload);
    environment.signals.on('SIGUSR1', this.#onDebugger);
  }

  /** Resolves with the exit status when the daemon was told to stop and has stopped. */
  async run(): Promise<number> {
    this.#runReloads();
    if (!this.#stopRequested) {
      await new Promise<void>((resolve) => {
        this.#wakeStop = resolve;
      });
    }
    const drained = await this.#daemon.stop();
    this.close();
    return drained ? 0 : 1;
  }

  close(): void {
    this.#environment.signals.off('SIGTERM', this.#onStop);
    this.#environment.signals.off('SIGINT', this.#onStop);
    this.#environment.signals.off('SIGHUP', this.#onReload);
    this.#environment.signals.off('SIGUSR1', this.#onDebugger);
  }

  readonly #onStop = (): void => {
    if (this.#stopRequested) this.#environment.exit(0);
    this.#stopRequested = true;
    this.#wakeStop();
  };

  readonly #onDebugger = (): void => {
    this.#daemon.logger.warn({}, 'SIGUSR1 does nothing: the debugger stays closed');
  };

  readonly #onReload = (): void => {
    this.#reloads = this.#reloads.then(() => this.#daemon.reload());
  };
}
