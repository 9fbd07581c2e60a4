/**
 * The metrics that are read from the target and from the engine's statistics. Names and labels
 * are fixed.
 */

import type { Engine } from '../engine/engine-types.js';
import type { LogSink } from '../log-sink.js';
import { type ListedBdevState, listedBdevStates } from '../subsystem/bdev-condition.js';
import type { Target } from '../subsystem/target.js';
import { endpointText } from '../transport/listener.js';
import { driveFamilies } from './drive-families.js';
import { Family, type Sample, counter, exportedBounds, gauge, histogramSamples } from './family.js';
import type { HostTotals } from './host-totals.js';
import { pathFamilies } from './path-families.js';
import type { ObservedEngine, ScrapeCache } from './scrape-cache.js';
import { operationWords, sumWord } from './stat-words.js';

/** What is read of a target. */
export type ObservedTarget = Pick<
  Target,
  | 'bdevs'
  | 'connections'
  | 'controllers'
  | 'counters'
  | 'drains'
  | 'listeners'
  | 'peerLimits'
  | 'subsystems'
  | 'unavailable'
>;

export interface MetricSources {
  readonly engine: Engine;
  readonly target: ObservedTarget;
  readonly hostTotals: HostTotals;
  readonly logSink: Pick<LogSink, 'linesLostTotal'>;
  readonly version: string;
  /** By resource: how many connections the limits of the side-car took. */
  readonly httpLimitCounts: () => ReadonlyMap<string, number>;
  /** How the last reload of the configuration ended; null before the first. */
  readonly reloaded: () => { readonly success: boolean; readonly at: Date } | null;
}

/** What the families read: of the sources, each once for each scrape. */
interface Readings extends Omit<MetricSources, 'engine'> {
  readonly engine: ObservedEngine;
  readonly once: ScrapeCache['once'];
}

export function families(live: MetricSources, cache: ScrapeCache): Family[] {
  const sources: Readings = {
    ...live,
    engine: cache.engine(live.engine),
    target: cache.target(live.target),
    once: (read) => cache.once(read),
  };
  return [
    ...targetFamilies(sources),
    ...reactorFamilies(sources),
    ...transportFamilies(sources),
    ...namespaceFamilies(sources),
    ...hostFamilies(sources),
    ...bdevFamilies(sources),
    ...driveFamilies(sources.target),
    ...pathFamilies(sources.target),
  ];
}

const NS_PER_SECOND = 1e9;

function targetFamilies(readings: Readings): Family[] {
  const { engine, target, logSink, version, reloaded, httpLimitCounts } = readings;
  const reload = (value: (outcome: NonNullable<ReturnType<typeof reloaded>>) => number) => () => {
    const outcome = reloaded();
    return outcome === null ? [] : [{ labels: {}, value: value(outcome) }];
  };
  return [
    gauge(
      'capsuled_config_reload_success',
      '1 if the last reload of the configuration was applied, 0 if it was refused.',
      reload(({ success }) => (success ? 1 : 0)),
    ),
    gauge(
      'capsuled_config_reload_timestamp_seconds',
      'When the configuration was last reloaded, or a reload refused.',
      reload(({ at }) => at.getTime() / 1000),
    ),
    gauge('capsuled_build_info', 'Constant 1; the labels say which build runs.', () => [
      { labels: { version, node: process.versions.node }, value: 1 },
    ]),
    counter(
      'capsuled_log_lines_dropped_total',
      'Lines of the log that were lost because it was not read fast enough or could not be written.',
      () => [{ labels: {}, value: logSink.linesLostTotal }],
    ),
    gauge(
      'capsuled_connections',
      'Open connections by subsystem (empty before Connect) and by the address of their listener.',
      () => connectionSamples(target),
    ),
    gauge('capsuled_controllers', 'Living controllers of a subsystem.', () =>
      target.subsystems.map(({ nqn, controllerCount }) => ({
        labels: { subsystem: nqn },
        value: controllerCount,
      })),
    ),
    counter(
      'capsuled_connect_rejected_total',
      'Connect commands that were rejected, by reason.',
      () =>
        [...target.counters.connectRejectedTotal].map(([reason, value]) => ({
          labels: { reason },
          value,
        })),
    ),
    counter(
      'capsuled_peer_limit_total',
      'What peers were refused, lost to others or waited for, because something was at its limit.',
      () => [
        ...peerLimitSamples(target, engine),
        ...waitSamples(engine),
        ...[...httpLimitCounts()].map(([resource, value]) => ({
          labels: { resource, class: 'http' },
          value,
        })),
      ],
    ),
    counter('capsuled_connections_closed_total', 'Connections that ended, by reason.', () =>
      [...target.counters.connectionsClosedTotal].map(([reason, value]) => ({
        labels: { reason },
        value,
      })),
    ),
  ];
}

/** Before Connect the engine counts: sockets refused, and strangers who gave way to others. */
function peerLimitSamples(target: ObservedTarget, engine: ObservedEngine): Sample[] {
  const words = engine.facts.statNames.transport;
  const strangers = ['connections_rejected', 'connections_displaced']
    .map((word) => words.indexOf(word))
    .filter((index) => index >= 0)
    .reduce((sum, index) => sum + sumWord(engine.transportStats(), index), 0);
  const counted = [...target.peerLimits].filter((count) => count.class !== 'before_connect');
  return [
    { labels: { resource: 'connections', class: 'before_connect' }, value: strangers },
    ...counted.map(({ resource, class: peerClass, value }) => ({
      labels: { resource, class: peerClass },
      value,
    })),
  ];
}

function* connectionSamples(target: ObservedTarget): Iterable<Sample> {
  const names = new Map(
    target.listeners.map(({ listener, actual }) => [listener, endpointText(actual)]),
  );
  const counts = new Map<
    string,
    { labels: { subsystem: string; listener: string }; value: number }
  >();
  for (const { subsystems, actual } of target.listeners) {
    const listener = endpointText(actual);
    for (const subsystem of subsystems) {
      counts.set(`${subsystem} ${listener}`, { labels: { subsystem, listener }, value: 0 });
    }
  }
  for (const connection of target.connections) {
    const subsystem = connection.subsystem ?? '';
    const listener = names.get(connection.listener) ?? '';
    const key = `${subsystem} ${listener}`;
    const count = counts.get(key) ?? { labels: { subsystem, listener }, value: 0 };
    count.value += 1;
    counts.set(key, count);
  }
  yield* counts.values();
}

/** One sample per reactor from one of its words. */
function reactorSamples(engine: ObservedEngine, word: string, scale = 1): Sample[] {
  const index = engine.facts.statNames.reactor.indexOf(word);
  return engine.reactorStats().map((array, reactor) => ({
    labels: { reactor },
    value: Number(array[index] ?? 0n) / scale,
  }));
}

function reactorFamilies({ engine }: Readings): Family[] {
  const simple = (name: string, help: string, word: string, scale = 1): Family =>
    counter(`capsuled_reactor_${name}_total`, help, () => reactorSamples(engine, word, scale));
  return [
    simple('busy_seconds', 'Time that a reactor did work.', 'busy_ns', NS_PER_SECOND),
    simple('idle_seconds', 'Time that a reactor found no work or slept.', 'idle_ns', NS_PER_SECOND),
    simple(
      'missed_seconds',
      'Time that a reactor could not look at its connections, in gaps of half a second or more: the process was stopped, or its machine. No time-out of a host counts it.',
      'missed_ns',
      NS_PER_SECOND,
    ),
    simple('iterations', "Turns of a reactor's loop.", 'iterations'),
    simple('sleeps', 'How often a reactor slept in the kernel.', 'sleeps'),
    simple('messages', 'Messages that a reactor took from its inbox.', 'messages'),
    simple('stalls', 'Callbacks that ran too long.', 'stalls'),
    gauge('capsuled_reactor_stall_longest_seconds', 'The longest callback so far.', () =>
      reactorSamples(engine, 'stall_longest_ns', NS_PER_SECOND),
    ),
    gauge(
      'capsuled_buffers',
      'I/O buffers of a reactor, by kind and use (such as small_free).',
      () => stateSamples(engine, /^(.+)_buffers_(free|used)$/),
    ),
    gauge('capsuled_requests', 'Requests of a reactor, free and used.', () =>
      stateSamples(engine, /^requests_(free|used)$/),
    ),
  ];
}

function stateSamples(engine: ObservedEngine, pattern: RegExp): Sample[] {
  return engine.facts.statNames.reactor.flatMap((word) => {
    const match = pattern.exec(word);
    if (match === null) return [];
    const state = match.slice(1).join('_');
    return reactorSamples(engine, word).map(({ labels, value }) => ({
      labels: { ...labels, state },
      value,
    }));
  });
}

/** Classes of peers, as the words of the engine name them: limit_host_small_buffers. */
const peerClasses: Readonly<Record<string, string>> = {
  stranger: 'before_connect',
  discovery: 'discovery',
  admin: 'admin',
  host: 'io',
};

/** How often a peer waited at the limit of what it may hold. */
function waitSamples(engine: ObservedEngine): Sample[] {
  const stats = engine.transportStats();
  return engine.facts.statNames.transport.flatMap((word, index) => {
    const [, kind = '', resource = ''] = /^limit_([a-z]+)_(.+)$/.exec(word) ?? [];
    const peerClass = peerClasses[kind];
    if (peerClass === undefined) return [];
    return [{ labels: { resource, class: peerClass }, value: sumWord(stats, index) }];
  });
}

function transportFamilies({ engine }: Readings): Family[] {
  const words = engine.facts.statNames.transport;
  const total = (word: string): number => {
    const index = words.indexOf(word);
    return index < 0 ? 0 : sumWord(engine.transportStats(), index);
  };
  const labelled = (label: string, pairs: Readonly<Record<string, string>>) => (): Sample[] =>
    Object.entries(pairs).map(([value, word]) => ({
      labels: { [label]: value },
      value: total(word),
    }));
  const perReactor = (prefix: string) => (): Sample[] =>
    words.flatMap((word, index) =>
      word.startsWith(prefix)
        ? engine.transportStats().map((array, reactor) => ({
            labels: { reactor, state: word.slice(prefix.length) },
            value: Number(array[index] ?? 0n),
          }))
        : [],
    );
  return [
    counter('capsuled_connections_total', 'Connections that were accepted.', () => [
      { labels: {}, value: total('connections_total') },
    ]),
    counter('capsuled_connections_rejected_total', 'Connections closed at once: too many.', () => [
      { labels: {}, value: total('connections_rejected') },
    ]),
    counter('capsuled_keep_alive_commands_total', 'Keep Alive commands of hosts.', () => [
      { labels: {}, value: total('keep_alive_commands') },
    ]),
    counter('capsuled_keep_alive_expired_total', 'Controllers whose host fell silent.', () => [
      { labels: {}, value: total('keep_alive_expired') },
    ]),
    counter(
      'capsuled_pdu_errors_total',
      'Protocol errors and time-outs of hosts; all but data_digest end the connection.',
      () =>
        words
          .filter((word) => word.startsWith('error_'))
          .map((word) => ({ labels: { reason: word.slice('error_'.length) }, value: total(word) })),
    ),
    gauge(
      'capsuled_connection_states',
      'Connection slots of a reactor by state.',
      perReactor('connection_'),
    ),
    gauge('capsuled_request_states', 'Requests of a reactor by state.', perReactor('request_')),
    gauge('capsuled_parked_commands', 'Commands that wait for memory and hold no request.', () => [
      { labels: {}, value: total('commands_parked') },
    ]),
    counter(
      'capsuled_pdus_total',
      'PDUs by direction.',
      labelled('direction', { receive: 'pdus_received', send: 'pdus_sent' }),
    ),
    counter(
      'capsuled_network_bytes_total',
      'Bytes on connections by direction.',
      labelled('direction', { receive: 'bytes_received', send: 'bytes_sent' }),
    ),
    counter(
      'capsuled_network_operations_total',
      'Sends and receives; receive_in_place went straight into an I/O buffer.',
      labelled('op', {
        send: 'sends',
        receive: 'receives',
        receive_in_place: 'receives_in_place',
      }),
    ),
  ];
}

function namespaceFamilies({ engine, target, once }: Readings): Family[] {
  const { statNames } = engine.facts;
  const { namespaceOperations, namespaceOperationWords, latencyBoundsNs } = statNames;
  const bounds = exportedBounds(latencyBoundsNs);
  const read = once(() =>
    target.subsystems.flatMap(({ nqn, table, namespaces }) =>
      namespaces.flatMap(({ nsid }) =>
        operationWords(
          engine.namespaceStats(table, nsid),
          namespaceOperations,
          namespaceOperationWords,
          latencyBoundsNs.length + 1,
        ).map(({ operation, words, rest }) => ({
          labels: { subsystem: nqn, nsid, op: operation },
          words,
          rest,
        })),
      ),
    ),
  );
  const word = (name: string) => () =>
    read().map(({ labels, words }) => ({ labels, value: words[name] ?? 0 }));
  const latency = 'capsuled_io_latency_seconds';
  return [
    gauge(
      'capsuled_namespace_available',
      '1 if the namespace is served, 0 if its bdev is unavailable.',
      () =>
        target.subsystems.flatMap(({ nqn, namespaces, missingNamespaces }) => [
          ...namespaces.map(({ nsid }) => ({ labels: { subsystem: nqn, nsid }, value: 1 })),
          ...missingNamespaces.map(({ nsid }) => ({ labels: { subsystem: nqn, nsid }, value: 0 })),
        ]),
    ),
    counter('capsuled_io_operations_total', 'I/O commands that ended.', word('operations')),
    counter('capsuled_io_bytes_total', 'Bytes that I/O commands moved.', word('bytes')),
    counter('capsuled_io_errors_total', 'I/O commands that failed, by NVMe status.', () =>
      errorSamples({ engine, target }),
    ),
    new Family({
      name: latency,
      help: 'Time from a complete command to its answer.',
      type: 'histogram',
      // An operation that never happened has no histogram: most namespaces only read and write.
      collect: () =>
        read()
          .filter(({ words }) => (words['operations'] ?? 0) > 0)
          .flatMap(({ labels, words, rest }) =>
            histogramSamples(latency, labels, bounds, rest(), (words['latency_ns'] ?? 0) / 1e9),
          ),
    }),
  ];
}

function errorSamples({ engine, target }: Pick<Readings, 'engine' | 'target'>): Sample[] {
  return target.subsystems.flatMap(({ nqn, table, namespaces }) =>
    namespaces.flatMap(({ nsid }) =>
      engine.namespaceErrors(table, nsid).map(({ operation, status, count }) => ({
        labels: { subsystem: nqn, nsid, op: operation, status: statusLabel(status) },
        value: Number(count),
      })),
    ),
  );
}

/** SCT and SC, as `0x0281`: Do Not Retry and the like are no kinds of errors. */
function statusLabel(status: number): string {
  return `0x${(status & 0x7ff).toString(16).padStart(4, '0')}`;
}

function hostFamilies({ hostTotals, once }: Readings): Family[] {
  const read = once(() => [...hostTotals.read()]);
  const word = (name: string) => () =>
    read().flatMap(({ subsystem, hostNqn, operations }) =>
      // Only what a host has done: thousands of hosts that merely connected must not fill a scrape.
      [...operations]
        .filter(([, words]) => (words.operations ?? 0) > 0)
        .map(([op, words]) => ({
          labels: { subsystem, host_nqn: hostNqn, op },
          value: words[name] ?? 0,
        })),
    );
  return [
    counter('capsuled_host_io_operations_total', 'I/O commands of a host.', word('operations')),
    counter('capsuled_host_io_bytes_total', 'Bytes that a host moved.', word('bytes')),
  ];
}

/** By name, for a new bdev may be open while the old one of its name drains. */
function* bdevStateSamples({ bdevs, unavailable, drains }: ObservedTarget): Iterable<Sample> {
  const held = new Map<string, Set<ListedBdevState>>();
  const note = (bdev: string, states: readonly ListedBdevState[]): void => {
    held.set(bdev, new Set([...(held.get(bdev) ?? []), ...states]));
  };
  for (const { name, states } of bdevs) note(name, states);
  for (const { parameters } of unavailable.bdevs) note(parameters.name, ['unavailable']);
  for (const { bdev } of drains) if (bdev !== null) note(bdev.name, ['draining']);
  for (const [bdev, states] of held) {
    for (const state of listedBdevStates) {
      yield { labels: { bdev, state }, value: states.has(state) ? 1 : 0 };
    }
  }
}

function bdevFamilies({ engine, target, once }: Readings): Family[] {
  const { bdevOperations, bdevOperationWords, bdevWords } = engine.facts.statNames;
  const arrays = once(() =>
    target.bdevs.map(({ name: bdev, engineName, kind }) => ({
      bdev,
      kind,
      words: engine.bdevStats(engineName),
    })),
  );
  const read = once(() =>
    arrays().flatMap(({ bdev, kind, words: of }) =>
      operationWords(of, bdevOperations, bdevOperationWords).map(({ operation, words }) => ({
        labels: { bdev, kind, op: operation },
        words,
      })),
    ),
  );
  const delayed =
    bdevOperations.length * bdevOperationWords.length + bdevWords.indexOf('qos_delayed');
  const word =
    (name: string, scale = 1) =>
    () =>
      read().map(({ labels, words }) => ({ labels, value: (words[name] ?? 0) / scale }));
  return [
    gauge('capsuled_bdev_state', '1 for each state that a bdev is in, 0 for the others.', () =>
      bdevStateSamples(target),
    ),
    counter('capsuled_bdev_failures_total', 'Errors that the machine gave a bdev.', () =>
      target.bdevs.map(({ name: bdev, kind, health }) => ({
        labels: { bdev, kind },
        value: health.failureCount,
      })),
    ),
    counter('capsuled_bdev_operations_total', 'Operations of a bdev.', word('operations')),
    counter('capsuled_bdev_bytes_total', 'Bytes that a bdev moved.', word('bytes')),
    counter('capsuled_bdev_errors_total', 'Operations of a bdev that failed.', word('errors')),
    counter(
      'capsuled_bdev_latency_seconds_total',
      'Time that the operations of a bdev took, added up.',
      word('latency_ns', NS_PER_SECOND),
    ),
    counter(
      'capsuled_qos_delayed_total',
      'Operations that had to wait for what the limits of a bdev allow.',
      () =>
        arrays().map(({ bdev, words }) => ({ labels: { bdev }, value: sumWord(words, delayed) })),
    ),
  ];
}
