/** `capsuled perf`: puts load on a target, a drive or a bdev, and says what came back. */

import { startLoad } from '../engine/load.js';
import type {
  LoadLatency,
  LoadMismatch,
  LoadOperations,
  LoadOptions,
  LoadReport,
  LoadRun,
} from '../engine/load-types.js';
import { statusName } from '../wire/status.js';
import { type PerfWords, loadOptions } from './perf-options.js';
import { headLine, targetFacts } from './perf-head.js';
import { parsePerfTarget } from './perf-target.js';
import { printableJson, printableLine } from '../printable.js';
import { type Terminal, bold, red } from './terminal.js';

/** Starts runs; a test puts its own in. */
export type StartLoad = (options: LoadOptions) => LoadRun;

/**
 * The exit status: 0, or 1 if the run failed, an I/O failed, or data were wrong. Throws
 * `argument_invalid` for wrong usage.
 */
export async function perf(
  targetText: string,
  words: PerfWords,
  terminal: Terminal,
  start: StartLoad = startLoad,
): Promise<number> {
  const options = loadOptions(parsePerfTarget(targetText), words);
  // Before it starts: who sees that it does may end it.
  let run: LoadRun | undefined;
  const stop = (): void => {
    run?.stop();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    run = start(options);
    return await show(run, options, words, terminal);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

async function show(
  run: LoadRun,
  options: LoadOptions,
  words: PerfWords,
  terminal: Terminal,
): Promise<number> {
  const meter = words.json === true || !terminal.isTTY ? undefined : showProgress(run, terminal);
  try {
    const report = await run.report;
    if (words.json === true) {
      const text = JSON.stringify(jsonReport(options, report), null, 2);
      terminal.out(`${printableJson(text)}\n`);
    } else {
      meter?.clear();
      print(options, report, terminal);
    }
    return succeeded(report) ? 0 : 1;
  } finally {
    meter?.clear();
  }
}

function succeeded({ failure, total, verify }: LoadReport): boolean {
  return failure === '' && total.errors === 0 && verify.mismatches === 0;
}

/** One line that is written over each second. */
function showProgress(run: LoadRun, terminal: Terminal): { clear: () => void } {
  let before = run.progress();
  let shown = false;
  const timer = setInterval(() => {
    const now = run.progress();
    const rate = throughput(now.operations - before.operations, now.bytes - before.bytes, 1);
    before = now;
    shown = true;
    terminal.out(`\r\u001b[K${rate}`);
  }, 1000);
  return {
    clear: () => {
      clearInterval(timer);
      if (shown) terminal.out('\r\u001b[K');
      shown = false;
    },
  };
}

function throughput(operations: number, bytes: number, seconds: number): string {
  const iops = Math.round(operations / seconds).toLocaleString('en-US');
  return `${iops} IOPS, ${(bytes / seconds / 2 ** 30).toFixed(3)} GiB/s`;
}

const columns: readonly (readonly [string, keyof LoadLatency])[] = [
  ['min', 'minNs'],
  ['mean', 'meanNs'],
  ['p50', 'p50Ns'],
  ['p90', 'p90Ns'],
  ['p99', 'p99Ns'],
  ['p99.9', 'p999Ns'],
  ['p99.99', 'p9999Ns'],
  ['max', 'maxNs'],
];

function print({ target }: LoadOptions, report: LoadReport, terminal: Terminal): void {
  const seconds = report.elapsedNs / 1e9;
  if (report.failure === '' || attempted(report.total) > 0) {
    terminal.out(`${headLine(target, report)}\n`);
  }
  const kinds = (['read', 'write'] as const).filter((kind) => attempted(report[kind]) > 0);
  for (const kind of kinds) {
    const { operations, bytes, errors, latency } = report[kind];
    terminal.out(`${bold(kind.padEnd(6), terminal)}${throughput(operations, bytes, seconds)}`);
    terminal.out(errors > 0 ? `, ${red(`${String(errors)} errors`, terminal)}\n` : '\n');
    const quantiles = columns.map(([name, key]) => `${name} ${(latency[key] / 1000).toFixed(1)}`);
    terminal.out(`      latency, µs: ${quantiles.join('  ')}\n`);
  }
  if (report.total.operations > 0) {
    const busy = report.busyNs / 1000 / report.total.operations;
    terminal.out(`own cost: ${busy.toFixed(2)} µs of a core for each I/O\n`);
  }
  if (report.reconnects > 0) terminal.out(`reconnects: ${String(report.reconnects)}\n`);
  const { blocksChecked, blocksUnchecked, mismatches, first } = report.verify;
  if (blocksChecked + blocksUnchecked > 0) {
    const wrong = mismatches > 0 ? `, ${red(`${String(mismatches)} reads wrong`, terminal)}` : '';
    terminal.out(
      `verified: ${String(blocksChecked)} blocks right${wrong}, ` +
        `${String(blocksUnchecked)} blocks never written by this run\n`,
    );
  }
  if (first !== undefined) {
    terminal.error(`${red('wrong data:', terminal)} ${describe(first)}\n`);
  }
  if (report.firstErrorStatus !== 0) {
    terminal.error(`first error: ${statusName(report.firstErrorStatus)}\n`);
  }
  if (report.failure !== '') {
    terminal.error(`${red('capsuled: error:', terminal)} ${printableLine(report.failure)}\n`);
  }
}

function describe(first: LoadMismatch): string {
  const hex = (word: bigint): string => word.toString(16).padStart(16, '0');
  const { expectedOldest: oldest, expectedNewest: newest } = first;
  const generations = oldest === newest ? String(newest) : `${String(oldest)} to ${String(newest)}`;
  return (
    `${first.kind} at LBA ${String(first.lba)}, byte ${String(first.byteOffset)}: expected ` +
    `generation ${generations} (${hex(first.expectedWord)}), found generation ` +
    `${String(first.foundGeneration)} of LBA ${String(first.foundLba)} (${hex(first.foundWord)})`
  );
}

function attempted({ operations, errors }: LoadOperations): number {
  return operations + errors;
}

/** Names with units, for scripts; times in µs. */
function jsonReport(options: LoadOptions, report: LoadReport): object {
  const seconds = report.elapsedNs / 1e9;
  const operations = (of: LoadOperations): object => ({
    operations: of.operations,
    bytes: of.bytes,
    errors: of.errors,
    iops: seconds > 0 ? of.operations / seconds : 0,
    bytes_per_second: seconds > 0 ? of.bytes / seconds : 0,
    latency_us: Object.fromEntries(columns.map(([name, key]) => [name, of.latency[key] / 1000])),
  });
  const { target, qpairs, queueDepth, sizes, readPercent, pattern } = options;
  const { verify } = report;
  return {
    target: targetFacts(target, report),
    load: { pattern, read_percent: readPercent, sizes, queue_depth: queueDepth, qpairs },
    seconds,
    read: operations(report.read),
    write: operations(report.write),
    total: operations(report.total),
    client_busy_us_per_io:
      report.total.operations > 0 ? report.busyNs / 1000 / report.total.operations : null,
    reconnects: report.reconnects,
    verify: options.verify
      ? {
          blocks_checked: verify.blocksChecked,
          blocks_unchecked: verify.blocksUnchecked,
          mismatches: verify.mismatches,
          first: verify.first === undefined ? null : describe(verify.first),
        }
      : null,
    failure: report.failure === '' ? null : report.failure,
    first_error: report.firstErrorStatus === 0 ? null : statusName(report.firstErrorStatus),
  };
}
