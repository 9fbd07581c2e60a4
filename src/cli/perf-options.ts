/** The options of `capsuled perf`, from words to {@link LoadOptions}. */

import { randomBytes, randomInt } from 'node:crypto';

import { DURATION_EXPECTED, durationHint, parseDuration } from '../config/duration.js';
import { SIZE_EXPECTED, parseSize, sizeHint } from '../config/size.js';
import type { LoadOptions, LoadSize, LoadTarget } from '../engine/load-types.js';
import { TargetError } from '../errors.js';
import { nqnFault } from '../subsystem/nqn.js';
import { keepsWrites } from './perf-bdev-target.js';
import type { PerfTarget } from './perf-target.js';

/** As the command line gives them. */
export interface PerfWords {
  readonly rw: string;
  readonly readPercent?: string;
  readonly bs: string;
  readonly qd: string;
  readonly qpairs: string;
  readonly time: string;
  readonly warmUp: string;
  readonly count?: string;
  readonly rate?: string;
  readonly verify?: true;
  readonly region?: string;
  readonly offset?: string;
  readonly headerDigest?: true;
  readonly dataDigest?: true;
  readonly reconnect?: string;
  readonly cores?: string;
  readonly poll: string;
  readonly seed?: string;
  readonly hostnqn?: string;
  readonly allow?: string;
  readonly json?: true;
}

interface Access {
  readonly pattern: LoadOptions['pattern'];
  /** null: `--read-percent`, or half. */
  readonly readPercent: number | null;
}

const accesses: ReadonlyMap<string, Access> = new Map([
  ['read', { pattern: 'sequential', readPercent: 100 }],
  ['write', { pattern: 'sequential', readPercent: 0 }],
  ['rw', { pattern: 'sequential', readPercent: null }],
  ['randread', { pattern: 'random', readPercent: 100 }],
  ['randwrite', { pattern: 'random', readPercent: 0 }],
  ['randrw', { pattern: 'random', readPercent: null }],
]);

/** What the engine can take; the controller's own limits are checked when they are known. */
export const perfLimits = {
  ioBytesMax: 64 * 1024 * 1024,
  queueDepthMax: 1023,
  qpairsMax: 1024,
  rateMax: 1_000_000_000,
  weightMax: 1_000_000,
  sizesMax: 16,
} as const;

/** Throws `argument_invalid` that names the option, its value and what was expected. */
export function loadOptions(target: PerfTarget, words: PerfWords): LoadOptions {
  const access = accesses.get(words.rw);
  if (access === undefined) throw fault('--rw', [...accesses.keys()].join(', '), words.rw);
  if (access.readPercent !== null && words.readPercent !== undefined) {
    throw new TargetError('argument_invalid', '--read-percent goes with --rw rw or randrw only');
  }
  const readPercent =
    access.readPercent ?? integer('--read-percent', words.readPercent ?? '50', 0, 100);
  if (words.verify === true && readPercent === 100) {
    const got = access.readPercent === null ? `${words.rw} with --read-percent 100` : words.rw;
    throw new TargetError(
      'argument_invalid',
      `--verify checks what the same run has written: expected --rw with writes, got ${got}`,
    );
  }
  if (!['adaptive', 'busy', 'interrupt'].includes(words.poll)) {
    throw fault('--poll', 'adaptive, busy or interrupt', words.poll);
  }
  checkWrites(target, words, readPercent);
  return {
    target: loadTarget(target, words),
    qpairs: integer('--qpairs', words.qpairs, 1, perfLimits.qpairsMax),
    queueDepth: integer('--qd', words.qd, 1, perfLimits.queueDepthMax),
    pattern: access.pattern,
    readPercent,
    sizes: sizes(words.bs),
    // Another one each run, so that what an earlier run has written is told apart.
    seed: BigInt(
      words.seed === undefined
        ? randomInt(2 ** 47)
        : integer('--seed', words.seed, 0, Number.MAX_SAFE_INTEGER),
    ),
    regionBytes: words.region === undefined ? 0n : size('--region', words.region),
    offsetBytes: words.offset === undefined ? 0n : size('--offset', words.offset),
    warmUpNs: duration('--warm-up', words.warmUp),
    durationNs: duration('--time', words.time),
    operationsMax:
      words.count === undefined ? 0 : integer('--count', words.count, 1, Number.MAX_SAFE_INTEGER),
    rateIops: words.rate === undefined ? 0 : integer('--rate', words.rate, 1, perfLimits.rateMax),
    verify: words.verify ?? false,
    reconnectNs: words.reconnect === undefined ? 0 : duration('--reconnect', words.reconnect),
    cores: words.cores === undefined ? [-1] : cores(words.cores),
    poll: words.poll as LoadOptions['poll'],
  };
}

/** What is said of the host is said of one that goes over a network. */
function loadTarget(target: PerfTarget, words: PerfWords): LoadTarget {
  if (target.type === 'tcp') {
    return {
      ...target,
      ...host(words.hostnqn),
      headerDigest: words.headerDigest ?? false,
      dataDigest: words.dataDigest ?? false,
    };
  }
  const { headerDigest, dataDigest, reconnect, hostnqn } = words;
  const remote = { headerDigest, dataDigest, reconnect, hostnqn };
  for (const [word, value] of Object.entries(remote)) {
    if (value === undefined) continue;
    const option = `--${word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new TargetError('argument_invalid', `${option} goes with tcp:// only`, { field: option });
  }
  return target;
}

/**
 * A target over a network is named at length, and its administrator decides who may write. A disk
 * of this machine is a few digits away from the one that was meant.
 */
function checkWrites(target: PerfTarget, { rw, allow }: PerfWords, readPercent: number): void {
  if (allow !== undefined && allow !== 'data-loss') throw fault('--allow', 'data-loss', allow);
  const isAtRisk = target.type === 'pcie' || (target.type === 'bdev' && keepsWrites(target));
  if (readPercent === 100 || !isAtRisk || allow !== undefined) return;
  throw new TargetError(
    'argument_invalid',
    `--allow: expected data-loss, because --rw ${rw} destroys what is on the disk of TARGET`,
    { field: '--allow' },
  );
}

function fault(option: string, expected: string, got: string, hint = ''): TargetError {
  const ending = hint === '' ? '' : ` (${hint})`;
  return new TargetError(
    'argument_invalid',
    `${option}: expected ${expected}, got "${got}"${ending}`,
    { field: option },
  );
}

function integer(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw fault(option, `a whole number from ${String(min)} to ${String(max)}`, text);
  }
  return value;
}

function size(option: string, text: string): bigint {
  const bytes = parseSize(text);
  if (bytes === undefined) throw fault(option, SIZE_EXPECTED, text, sizeHint(text));
  return bytes;
}

function duration(option: string, text: string): number {
  const nanoseconds = parseDuration(text);
  if (nanoseconds === undefined) throw fault(option, DURATION_EXPECTED, text, durationHint(text));
  return nanoseconds;
}

/** `4KiB`, or `4KiB:70,128KiB:30` with weights. */
function sizes(text: string): LoadSize[] {
  const parts = text.split(',');
  if (parts.length > perfLimits.sizesMax) {
    throw fault('--bs', `at most ${String(perfLimits.sizesMax)} sizes`, text);
  }
  return parts.map((part) => {
    const [sizeText = '', weightText = '1', more] = part.split(':');
    if (more !== undefined) throw fault('--bs', 'SIZE or SIZE:WEIGHT', part);
    const bytes = Number(size('--bs', sizeText));
    if (bytes < 512 || bytes % 512 !== 0 || bytes > perfLimits.ioBytesMax) {
      throw fault('--bs', 'a multiple of 512 up to 64MiB', sizeText);
    }
    return { bytes, weight: integer('--bs', weightText, 1, perfLimits.weightMax) };
  });
}

function cores(text: string): number[] {
  return text.split(',').map((core) => integer('--cores', core, 0, 1023));
}

/** Each run is a host of its own, unless the user says which. */
function host(given: string | undefined): { hostnqn: string; hostid: Uint8Array } {
  const hostid = new Uint8Array(randomBytes(16));
  hostid[6] = ((hostid[6] ?? 0) & 0x0f) | 0x40;
  hostid[8] = ((hostid[8] ?? 0) & 0x3f) | 0x80;
  if (given !== undefined) {
    const reason = nqnFault(given);
    if (reason !== null) throw fault('--hostnqn', reason, given);
    return { hostnqn: given, hostid };
  }
  const hex = Buffer.from(hostid).toString('hex');
  const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { hostnqn: `nqn.2014-08.org.nvmexpress:uuid:${uuid}`, hostid };
}
