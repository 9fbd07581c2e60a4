/**
 * The daemon's life: engine, target and side-car together.
 *
 * `starting` → `ready` ⇄ `reloading` → `stopping` → `stopped`. {@link Daemon.start} moves it to
 * `ready`, signals move it on from there, and `stopping` ends when everything is drained or the
 * deadline passes.
 */

import { isDeepStrictEqual } from 'node:util';
import type { AdminServer } from '../admin/server.js';
import { hasErrors, formatIssue, type ConfigurationIssue } from '../config/issue.js';
import { loadConfiguration } from '../config/load.js';
import type { DaemonConfiguration } from '../config/normalize.js';
import { type DeviceBdev, DeviceList } from '../device/device-list.js';
import { numberText } from '../device/machine-files.js';
import type { Engine, EngineEventsSink, EngineOptions } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { FileState } from '../identity/state-directory.js';
import { insistent, type DaemonLogger } from '../log.js';
import type { LogSink } from '../log-sink.js';
import { HostTotals } from '../metrics/host-totals.js';
import { Metrics } from '../metrics/metrics.js';
import { PermissionError, permissionLine, type Permission } from '../subsystem/change.js';
import { printable } from '../printable.js';
import type { ApplyReport } from '../subsystem/target-options.js';
import { Target } from '../subsystem/target.js';
import { smallFiles } from '../small-file.js';
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

/** What is asked of a reload. */
export interface ReloadRequest {
  readonly allow: readonly Permission[];
  /** Says what would be done, and does nothing. */
  readonly dryRun: boolean;
  /** The file that is meant; if it is another one, nothing is done. */
  readonly file?: string;
}

export interface ReloadReport extends ApplyReport {
  /** That was read. */
  readonly file: string;
}

export interface ReloadOutcome {
  readonly success: boolean;
  readonly at: Date;
}

/**
 * Open files of other processes that one request has looked at, by the thread of the admin plane.
 */
const LINKS_BESIDE_IO_MAX = 8192;

/** How long a drain may take before it is given up. */
export const STOP_DEADLINE_MS = 10_000;

export class Daemon {
  readonly #options: DaemonOptions;
  #configuration: DaemonConfiguration;
  #state: DaemonState = 'starting';
  #startStep = '';
  #engine: Engine | undefined;
  #target: Target | undefined;
  #admin: AdminServer | undefined;
  /** The reload that later ones wait for. */
  #reloads: Promise<unknown> = Promise.resolve();
  #reloaded: ReloadOutcome | null = null;

  constructor(configuration: DaemonConfiguration, options: DaemonOptions) {
    this.#configuration = configuration;
    this.#options = options;
  }

  get state(): DaemonState {
    return this.#state;
  }

  /** What the start waits for. */
  get startStep(): string {
    return this.#startStep;
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
    this.#startStep = 'starting the engine';
    // The engine has no connections, so no events, before the target adds a listener.
    const engine = await startEngine(this.#configuration.engine, (events) => {
      this.#target?.handleEvents(events);
    });
    this.#engine = engine;
    logger.info({ features: engine.facts.features }, 'engine started');
    this.#sayConnections(engine);
    const hostTotals = new HostTotals(engine);
    const target = new Target(engine, {
      logger,
      version,
      stateDirectory: new FileState(this.#configuration.stateDirectory, (path) =>
        engine.lockFile(path),
      ),
      onCommandAnswered: (opcode, seconds) => {
        metrics.observeCommand(opcode, seconds);
      },
      onControllerEnding: hostTotals.onControllerEnding,
    });
    this.#target = target;
    const metrics = new Metrics({
      engine,
      target,
      hostTotals,
      logSink,
      version,
      reloaded: () => this.#reloaded,
      httpLimitCounts: () => this.#admin?.limitCounts ?? new Map(),
    });
    hostTotals.target = target;
    target.watchBdevs();
    this.#startStep = `opening disks and the state directory ${this.#configuration.stateDirectory}`;
    // A disk that is missing, an address that is late: the rest serves meanwhile.
    await target.apply(this.#configuration.target, { missing: 'wait' });
    this.#startStep = 'starting the side-car';
    const { startAdmin } = await import('../admin/server.js');
    const devices = new DeviceList({
      linksMax: LINKS_BESIDE_IO_MAX,
      bdevs: () => deviceBdevs(target),
    });
    this.#admin = await startAdmin(this.#configuration.admin, {
      engine,
      target,
      metrics,
      logger,
      version,
      unreadyReasons: () => this.unreadyReasons(),
      configuration: () => this.#configuration,
      devices: () => devices.read(),
      reload: (request) => this.reload(request),
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
    reasons.push(...(this.#target?.bdevReasons ?? []));
    for (const [name, { text }] of this.#target?.contentChanges ?? []) {
      reasons.push(`bdev ${name}: ${text}`);
    }
    const wanted = this.#configuration.engine.cores.length;
    const running = this.#engine?.reactorStats().length ?? 0;
    if (running < wanted) reasons.push(`${running} of ${wanted} reactors run`);
    reasons.push(...(this.#target?.turnedAway ?? []));
    return reasons;
  }

  /** A reload that nobody waits for: what came of it is in the log. */
  async reloadAlone(): Promise<void> {
    await this.reload({ allow: [], dryRun: false }).catch(() => undefined);
  }

  #logRefusal(thrown: unknown): void {
    const { logger, file } = this.#options;
    if (thrown instanceof TargetError && thrown.code === 'not_ready') {
      logger.info({ file }, thrown.message);
      return;
    }
    const always = insistent(logger);
    for (const step of thrown instanceof PermissionError ? thrown.changes : []) {
      const { kind, key, needs } = step;
      always.error({ change: kind, key, needs }, permissionLine(step));
    }
    logError(always, thrown, 'the configuration was not applied');
    if (thrown instanceof PermissionError) always.error({}, this.#permissionAdvice(thrown));
  }

  /**
   * Reads the file again and applies it, after any reload that was asked for before. An invalid
   * file changes nothing. Rejects with the reason when it was not applied, see {@link
   * Target.apply}.
   */
  reload(request: ReloadRequest): Promise<ReloadReport> {
    const reloaded = this.#reloads.then(() => this.#reloadInTurn(request));
    this.#reloads = reloaded.catch(() => undefined);
    return reloaded;
  }

  async #reloadInTurn(request: ReloadRequest): Promise<ReloadReport> {
    if (this.#state !== 'ready') {
      throw new TargetError('not_ready', `not reloaded: the daemon is ${this.#state}`);
    }
    const { logger, file, notifier } = this.#options;
    if (request.file !== undefined) await checkFile(request.file, file);
    if (request.dryRun) {
      const configuration = await this.#load();
      await this.target.look();
      return this.#plan(configuration);
    }
    this.#state = 'reloading';
    logger.info({ file }, 'reloading');
    await notifier.notify('reloading');
    try {
      const report = await this.#apply(await this.#load(), request.allow);
      logger.info({ changes: report.changes.length }, 'reloaded');
      this.#reloaded = { success: true, at: new Date() };
      return report;
    } catch (thrown) {
      this.#reloaded = { success: false, at: new Date() };
      this.#logRefusal(thrown);
      throw thrown;
    } finally {
      // A signal may have begun to stop it meanwhile.
      if (this.state === 'reloading') {
        this.#state = 'ready';
        await notifier.notify('ready');
      }
    }
  }

  /** How the last reload ended; null before the first. */
  get reloaded(): ReloadOutcome | null {
    return this.#reloaded;
  }

  async #load(): Promise<DaemonConfiguration> {
    const { logger, file } = this.#options;
    const { issues, configuration } = await loadConfiguration(file);
    logIssues(configuration === undefined ? insistent(logger) : logger, issues);
    if (configuration !== undefined && !hasErrors(issues)) return configuration;
    const [first] = issues.filter(({ severity }) => severity === 'error');
    const what = first === undefined ? file : formatIssue(first);
    throw new TargetError(
      'configuration_invalid',
      `the configuration is invalid; the running one stays in force: ${what}`,
    );
  }

  #plan(configuration: DaemonConfiguration): ReloadReport {
    const { changes, warnings } = this.target.plan(configuration.target);
    return {
      file: this.#options.file,
      changes,
      warnings: [...this.#restartsNeeded(configuration), ...warnings],
    };
  }

  async #apply(
    configuration: DaemonConfiguration,
    allow: readonly Permission[],
  ): Promise<ReloadReport> {
    const { logger, file } = this.#options;
    // Behind the target's stop, this would bring everything back.
    if (this.#state !== 'reloading') {
      throw new TargetError('not_ready', 'not reloaded: the daemon is stopping');
    }
    const restarts = this.#restartsNeeded(configuration);
    for (const line of restarts) logger.warn({}, line);
    const isSameFile = configuration.admin.tokenFile === this.#configuration.admin.tokenFile;
    const useToken = isSameFile ? await this.#admin?.rereadToken() : undefined;
    const report = await this.target.apply(configuration.target, { allow });
    useToken?.();
    logger.level = configuration.log.level;
    const { engine, admin, stateDirectory, log: running } = this.#configuration;
    const log = { ...configuration.log, format: running.format };
    this.#configuration = { engine, admin, stateDirectory, log, target: configuration.target };
    return { file, changes: report.changes, warnings: [...restarts, ...report.warnings] };
  }

  /** What of a new configuration a reload cannot bring. */
  #restartsNeeded(configuration: DaemonConfiguration): string[] {
    const running = this.#configuration;
    const changed: string[] = (['engine', 'admin'] as const)
      .filter((section) => !isDeepStrictEqual(configuration[section], running[section]))
      .map((section) => `the changed section "${section}" needs a restart to take effect`);
    if (configuration.stateDirectory !== running.stateDirectory) {
      changed.push('the changed state_directory needs a restart to take effect');
    }
    if (configuration.log.format !== running.log.format) {
      changed.push('the changed log.format needs a restart to take effect');
    }
    return changed;
  }

  #permissionAdvice({ missing }: PermissionError): string {
    const what = missing.join(',');
    return this.#configuration.admin.tokenFile === null
      ? 'to give permission, set admin.token_file, restart, and use `capsuled apply --allow ' +
          `${what}\`; a restart takes the file as it is, too`
      : 'to see all of it: `capsuled apply --dry-run`; to do it: `capsuled apply --allow ' +
          `${what}\``;
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
    else logger.fatal({ seconds: deadlineMs / 1000 }, 'gave up draining');
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

/** Whoever gives permission gives it to a file that they have read: no other is taken for it. */
async function checkFile(meant: string, own: string): Promise<void> {
  // The name may be a link, which leads to another file after each change.
  const real = await smallFiles.realpath(own).catch(() => own);
  if (meant === own || meant === real) return;
  throw new TargetError(
    'file_differs',
    `nothing has changed: the daemon reads ${printable(own)}, not ${printable(meant)}`,
    { field: 'file' },
  );
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
 * What ends the process is `fatal`: no `log.level` hides it.
 */
export function logError(
  logger: DaemonLogger,
  thrown: unknown,
  what: string,
  level: 'error' | 'fatal' = 'error',
): void {
  if (thrown instanceof TargetError && thrown.code !== 'internal') {
    const { code, field, message } = thrown;
    const key = field === undefined ? {} : { key: field };
    logger[level]({ code, ...key }, `${what}: ${bounded(message)}`);
    return;
  }
  logger[level]({ err: thrown }, `${what}: unexpected error`);
}

/** A message may list everything that a reload would do; a line of the log has no room for that. */
function bounded(message: string): string {
  const lengthMax = 16_384;
  if (message.length <= lengthMax) return message;
  const more = (message.length - lengthMax).toLocaleString('en-US');
  return `${message.slice(0, lengthMax)}… and ${more} characters more`;
}

/** Bdevs that have a device of this machine, or a part of it. */
function deviceBdevs({ bdevs }: Pick<Target, 'bdevs'>): DeviceBdev[] {
  return bdevs.flatMap(({ name, kind, content, parameters: { address } }) => {
    const own = kind === 'nvme' && typeof address === 'string' ? address : null;
    const number = content?.kind === 'block_device' ? numberText(content.device) : null;
    return own === null && number === null ? [] : [{ name, address: own, number }];
  });
}
