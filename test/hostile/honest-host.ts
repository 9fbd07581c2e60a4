/**
 * An honest host, and how fast it is served: two `capsuled perf` do I/O of 4 and 256 KiB, one at a
 * time and far from what the target could do; and five times a second a host connects, reads a log
 * and the discovery log, and goes.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LogPage, discoveryNqn } from '../../src/wire/layout.gen.js';
import { AdminQueue } from '../host/admin-queue.js';
import { within } from '../host/bounded.js';
import type { Address } from '../host/pdu-link.js';
import { TcpHost, makeIdentity } from '../host/tcp-host.js';

const mainScript = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const connectsPerSecond = 5;
/** How long the end of a run may take behind its time. */
const patienceSeconds = 60;

/** Of one kind of operation, in milliseconds. */
export interface Latency {
  readonly count: number;
  readonly p99: number;
  readonly max: number;
}

export const honestOperations = ['4 KiB', '256 KiB', 'connect + logs'] as const;

export interface HonestFigures {
  readonly latencies: Readonly<Record<(typeof honestOperations)[number], Latency>>;
  /** What went wrong: nothing should. */
  readonly failures: readonly string[];
}

/** Where the honest host is served. */
export interface Served {
  readonly target: Address;
  readonly nqn: string;
}

interface PerfReport {
  readonly total: {
    readonly operations: number;
    readonly errors: number;
    readonly latency_us: { readonly p99?: number; readonly max?: number };
  };
  readonly failure: string | null;
  readonly first_error: string | null;
}

/** The report and what went wrong, if anything did. */
async function perf(
  { target: { address, port }, nqn }: Served,
  seconds: number,
  load: readonly string[],
): Promise<{ latency: Latency; failures: string[] }> {
  const steady = ['--rw', 'randrw', '--qd', '1', '--region', '16MiB', '--poll', 'interrupt'];
  const args = [...steady, '--time', `${seconds}s`, '--json', ...load];
  const child = spawn(
    process.execPath,
    [mainScript, 'perf', `tcp://${address}:${port}/${nqn}?nsid=1`, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_NO_WARNINGS: '1' } },
  );
  let out = '';
  let error = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text));
  const ended = once(child, 'close');
  const name = load.join(' ');
  try {
    await within(ended, `the end of perf ${name}`, (seconds + patienceSeconds) * 1000);
  } catch (late) {
    child.kill('SIGKILL');
    await ended;
    return { latency: { count: 0, p99: Infinity, max: Infinity }, failures: [String(late)] };
  }
  if (out === '') {
    const failures = [`perf ${name}: ${error}`];
    return { latency: { count: 0, p99: Infinity, max: Infinity }, failures };
  }
  const { total, failure, first_error } = JSON.parse(out) as PerfReport;
  const { p99 = Infinity, max = Infinity } = total.latency_us;
  const failures: string[] = [];
  if (failure !== null) failures.push(`perf ${name}: ${failure}`);
  if (total.errors > 0) failures.push(`perf ${name}: ${total.errors} errors, ${first_error}`);
  return { latency: { count: total.operations, p99: p99 / 1000, max: max / 1000 }, failures };
}

async function connectAndRead({ target, nqn }: Served): Promise<void> {
  const host = await TcpHost.connect(target, nqn);
  try {
    await host.admin.logPage({ lid: LogPage.smartHealthInformation, bytes: 512 });
    await host.disconnect();
  } finally {
    host.kill();
  }
  const discovery = await AdminQueue.connect(target, makeIdentity(discoveryNqn));
  try {
    await discovery.enable();
    await discovery.logPage({ lid: LogPage.discovery, bytes: 4096 });
    await discovery.close();
  } finally {
    discovery.link.destroy();
  }
}

async function keepConnecting(
  served: Served,
  seconds: number,
): Promise<{ latency: Latency; failures: string[] }> {
  const times: number[] = [];
  const failures: string[] = [];
  const interval = 1000 / connectsPerSecond;
  const end = performance.now() + seconds * 1000;
  for (let next = performance.now(); next < end; next = Math.max(next, performance.now())) {
    const begin = performance.now();
    try {
      await connectAndRead(served);
      times.push(performance.now() - begin);
    } catch (error) {
      failures.push(`connect: ${(error as Error).message}`);
    }
    next += interval;
    await sleep(Math.max(0, next - performance.now()));
  }
  times.sort((one, other) => one - other);
  const p99 = times[Math.ceil(times.length * 0.99) - 1] ?? Infinity;
  return { latency: { count: times.length, p99, max: times.at(-1) ?? Infinity }, failures };
}

/** Does all of it for so many seconds. */
export async function runHonestHost(served: Served, seconds: number): Promise<HonestFigures> {
  const [small, large, connects] = await Promise.all([
    perf(served, seconds, ['--bs', '4KiB', '--rate', '1000']),
    perf(served, seconds, ['--bs', '256KiB', '--rate', '100']),
    keepConnecting(served, seconds),
  ]);
  return {
    latencies: {
      '4 KiB': small.latency,
      '256 KiB': large.latency,
      'connect + logs': connects.latency,
    },
    failures: [...small.failures, ...large.failures, ...connects.failures],
  };
}
