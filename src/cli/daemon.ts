/**
 * The daemon's life: engine, target and side-car together.
 *
 * `starting` → `ready` ⇄ `reloading` → `stopping` → `stopped`. {@link Daemon.start} moves it to
 * `ready`, signals move it on from there, and `stopping` ends when everything is drained or the
 * deadline passes.
 */

import type { AdminServer } from '../admin/server.js';
import { hasErrors, formatIssue, type ConfigurationIssue } from '../config/issue.js';
import { loadConfiguration } from '../config/load.js';
import type { DaemonConfiguration } from '../config/normalize.js';
import type { Engine, EngineEventsSink, EngineOptions } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import type { DaemonLogger } from '../log.js';
import type { LogSink } from '../log-sink.js';
import { HostTotals } from '../metrics/host-totals.js';
import { Metrics } from '../metrics/metrics.js';
import { Target } from '../subsystem/target.js';
import type { ServiceNotifier } from './service-notifier.js';

export type DaemonState = 'starting' | 'ready' | 'reloading' | 'stopping' | 'stopped';

export type StartEngine = (options: EngineOptions, sink: EngineEventsSink) => Promise<Engine>;

export interface DaemonOptions {
  readonly file: string;
  readonly version: string;
  readonly logger: DaemonLogger;
  readonly logSink: Pick<LogSink, 'linesLostTotal'>;
  readonly notifier: ServiceNotifier;
  readonly startEngine: StartEngine;
}

/** How long a drain may take before it is given up. */
const STOP_DEADLINE_MS = 10_000;

export class Daemon {
  readonly #options: DaemonOptions;
  #configuration: DaemonConfiguration;
  #state: DaemonState = 'starting';
  #engine: Engine | undefined;
  #target: Target | undefined;
  #admin: AdminServer | undefined;

  constructor(configuration: DaemonConfiguration, options: DaemonOptions) {
    this.#configuration = configuration;
    this.#options = options;
  }

  get logger(): DaemonLogger {
    return this.#options.logger;
  }

  get state(): DaemonState {
    return this.#state;
  }

  get target(): Target {
    if (this.#target === undefined)
      throw new TargetError('not_ready', 'the target has not started');
    return this.#target;
  }

  get adminUrl(): string | undefined {
    return this.#admin?.url;
  }

  /** Throws what stands in the way; nothing is left running then. */
  async start(): Promise<void> {
    try {
      await this.#startParts();
    } catch (thrown) {
      await this.#stopParts();
      this.#state = 'stopped';
      throw thrown;
    }
    this.#state = 'ready';
  }

  async #startParts(): Promise<void> {
    const { logger, logSink, version, startEngine } = this.#options;
    // The engine has no connections, so no events, before the target adds a listener.
    const engine = await startEngine(this.#configuration.engine, (events) => {
      this.#target?.handleEvents(events);
    });
    this.#engine = engine;
    logger.info({ features: engine.facts.features }, 'engine started');
    this.#sayConnections(engine);
    const hostTotals = new HostTotals();
    const target = new Target(hostTotals.watch(engine), {
      logger,
      version,
      onCommandAnswered: (opcode, seconds) => {
        metrics.observeCommand(opcode, seconds);
      },
    });
    this.#target = target;
    const metrics = new Metrics({ engine, target, hostTotals, logSink, version });
    hostTotals.target = target;
    // A disk that is missing, an address that is late: the rest serves meanwhile.
    await target.apply(this.#configuration.target, { missing: 'wait' });
    const { startAdmin } = await import('../admin/server.js');
    this.#admin = await startAdmin(this.#configuration.admin, {
      engine,
      target,
      metrics,
      logger,
      version,
      unreadyReasons: () => this.unreadyReasons(),
      configuration: () => this.#configuration,
    });
  }

  #sayConnections({ facts: { connectionsMax, openFilesMax } }: Engine): void {
    const wanted = this.#configuration.engine.connectionsMax;
    if (connectionsMax >= wanted) return;
    this.#options.logger.warn(
      { key: 'engine.connections_max', wanted, connectionsMax, openFilesMax },
      `connections_max is ${connectionsMax} instead of ${wanted}, because this process may have ` +
        `${openFilesMax} open files; raise the limit (LimitNOFILE=, ulimit -Hn)`,
    );
  }

  /** Why hosts may not be served as configured; empty when all is well. */
  unreadyReasons(): string[] {
    const reasons: string[] = [];
    if (this.#state !== 'ready' && this.#state !== 'reloading') {
      reasons.push(`the daemon is ${this.#state}`);
    }
    const { bdevs = [], endpoints = [] } = this.#target?.unavailable ?? {};
    for (const { reason } of [...bdevs, ...endpoints]) reasons.push(reason);
    for (const { what, since, state } of this.#target?.drains ?? []) {
      if (state === 'draining') continue;
      reasons.push(`${what} does not drain, since ${since.toISOString()}`);
    }
    const wanted = this.#configuration.engine.cores.length;
    const running = this.#engine?.reactorStats().length ?? 0;
    if (running < wanted) reasons.push(`${running} of ${wanted} reactors run`);
    reasons.push(...(this.#target?.turnedAway ?? []));
    return reasons;
  }

  /** Reads the file again and applies it; an invalid one changes nothing. */
  async reload(): Promise<void> {
    if (this.#state !== 'ready') return;
    const { logger, file, notifier } = this.#options;
    this.#state = 'reloading';
    logger.info({ file }, 'reloading');
    await notifier.notify('reloading');
    try {
      await this.#reload();
    } catch (thrown) {
      logError(logger, thrown, 'the configuration was not applied');
    }
    // A signal may have begun to stop it meanwhile.
    if (this.state !== 'reloading') return;
    this.#state = 'ready';
    await notifier.notify('ready');
  }

  async #reload(): Promise<void> {
    const { logger, file } = this.#options;
    const { issues, configuration } = await loadConfiguration(file);
    logIssues(logger, issues);
    if (hasErrors(issues) || configuration === undefined) {
      logger.error({ file }, 'the configuration is invalid; the running one stays in force');
      return;
    }
    // Behind the target's stop, this would bring everything back.
    if (this.#state !== 'reloading') {
      logger.info({ file }, 'not reloaded: the daemon is stopping');
      return;
    }
    const running = this.#configuration;
    for (const section of ['engine', 'admin'] as const) {
      if (JSON.stringify(configuration[section]) === JSON.stringify(running[section])) continue;
      logger.warn({ section }, `the changed section "${section}" needs a restart to take effect`);
    }
    if (configuration.log.format !== running.log.format) {
      logger.warn({ section: 'log' }, 'the changed log.format needs a restart to take effect');
    }
    const isSameFile = configuration.admin.tokenFile === running.admin.tokenFile;
    const useToken = isSameFile ? await this.#admin?.rereadToken() : undefined;
    const report = await this.target.apply(configuration.target);
    useToken?.();
    logger.level = configuration.log.level;
    const { engine, admin } = running;
    const log = { ...configuration.log, format: running.log.format };
    this.#configuration = { engine, admin, log, target: configuration.target };
    logger.info({ changes: report.changes.length }, 'reloaded');
  }

  /** Drains and stops. False: it took too long, and something was left behind. */
  async stop(deadlineMs = STOP_DEADLINE_MS): Promise<boolean> {
    this.#state = 'stopping';
    const { logger, notifier } = this.#options;
    logger.info({}, 'stopping');
    void notifier.notify('stopping');
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => {
        resolve(false);
      }, deadlineMs);
    });
    const drained = await Promise.race([this.#stopParts().then(() => true), deadline]);
    clearTimeout(timer);
    this.#state = 'stopped';
    if (drained) logger.info({}, 'stopped');
    else logger.error({ seconds: deadlineMs / 1000 }, 'gave up draining');
    return drained;
  }

  /**
   * The side-car answers /readyz while the target drains, and is gone before the engine that it
   * reads from.
   */
  async #stopParts(): Promise<void> {
    const { logger } = this.#options;
    const steps = [
      () => this.#target?.stop(),
      () => this.#admin?.close(),
      () => this.#engine?.stop(),
    ];
    for (const step of steps) {
      try {
        await step();
      } catch (thrown) {
        logError(logger, thrown, 'while stopping');
      }
    }
  }
}

export function logIssues(logger: DaemonLogger, issues: readonly ConfigurationIssue[]): void {
  for (const issue of issues) {
    const { severity, file, line, column, path } = issue;
    const fields = { file, line, column, key: path };
    logger[severity === 'error' ? 'error' : 'warn'](fields, formatIssue(issue));
  }
}

/**
 * A TargetError is for the user: its message and code. Anything else is a defect: with its stack.
 */
export function logError(logger: DaemonLogger, thrown: unknown, what: string): void {
  if (thrown instanceof TargetError && thrown.code !== 'internal') {
    const { code, field, message } = thrown;
    logger.error({ code, ...(field === undefined ? {} : { key: field }) }, `${what}: ${message}`);
    return;
  }
  logger.error({ err: thrown }, `${what}: unexpected error`);
}
