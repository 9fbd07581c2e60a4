/**
 * A bdev as `capsuled perf` takes it: `KIND?key=value&…`, with the keys of its kind in config.yaml,
 * each value as it would stand there. One that stands on another has that as its last key, and all
 * that follows is of the other: `crypto?key_file=disk.key&base=nvme?address=0000:01:00.0`.
 *
 * It is read as a configuration of these bdevs, so what is right and wrong there is so here.
 */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { isCollection, isScalar, parseDocument } from 'yaml';

import { baseKeys, engineParameters, kindOf } from '../bdev/kinds.js';
import { parseConfiguration } from '../config/load.js';
import type { BdevLoadTarget } from '../engine/load-types.js';
import { TargetError } from '../errors.js';
import { Machine } from '../identity/machine.js';

/** One bdev, as it was written. */
interface Written {
  readonly kind: string;
  readonly pairs: readonly (readonly [key: string, value: string])[];
  /** The key that names what it stands on; undefined: it stands on nothing. */
  readonly baseKey: string | undefined;
}

/** Throws `argument_invalid` that names the key at fault. */
export function parseBdevTarget(text: string): BdevLoadTarget {
  const stack = writtenStack(text);
  const { issues, configuration } = parseConfiguration(
    configurationText(stack),
    join(process.cwd(), 'TARGET'),
    [0],
  );
  if (configuration === undefined) {
    const { path = '', message = '' } = issues.find(({ severity }) => severity === 'error') ?? {};
    throw fault(keyPath(path, stack), message);
  }
  // Each run is a machine of its own, as it is a host of its own to tcp://.
  const machine = new Machine(randomBytes(16).toString('hex'), false);
  const bdevs = configuration.target.bdevs
    .map((bdev) => ({
      ...engineParameters(bdev),
      ...kindOf(bdev.kind)?.ofMachine?.(bdev, machine),
    }))
    .reverse();
  return { type: 'bdev', bdevs };
}

/** Whether what is written to it is still there when the run has ended. */
export function keepsWrites({ bdevs: [lowest] }: BdevLoadTarget): boolean {
  const kind = kindOf(lowest?.kind);
  return kind === undefined || !(kind.isVolatile || kind.forgetsWrites === true);
}

/** The topmost first. */
function writtenStack(text: string): Written[] {
  const stack: Written[] = [];
  let rest: string | undefined = text;
  while (rest !== undefined) {
    const { base, ...written } = readBdev(rest, basePrefix(stack));
    stack.push(written);
    rest = base;
  }
  return stack;
}

/** `base`: what it stands on, unread; undefined: nothing. */
function readBdev(text: string, prefix: string): Written & { readonly base: string | undefined } {
  const [, kind = '', query = ''] = /^([^?]*)\??([^]*)$/.exec(text) ?? [];
  const pairs: [string, string][] = [];
  const baseKey = baseKeys(kind)[0]?.[0];
  let rest = query;
  while (rest !== '') {
    const [all = '', key = '', , value] = /^([^=&]*)(=([^&]*))?&?/.exec(rest) ?? [];
    if (value === undefined || !/^[a-z0-9_]+$/i.test(key)) {
      throw fault(prefix, `expected key=value, got "${all}"`);
    }
    if (key === baseKey) return { kind, pairs, baseKey, base: rest.slice(key.length + 1) };
    if (key === 'name' || key === 'kind') {
      throw fault(`${prefix}${key}`, `expected a key of "${kind}" other than name and kind`);
    }
    pairs.push([key, valueText(value, `${prefix}${key}`)]);
    rest = rest.slice(all.length);
  }
  if (baseKey !== undefined) {
    throw fault(
      `${prefix}${baseKey}`,
      `expected ${baseKey}=KIND?key=value&… as the last key of "${kind}", which stands on another bdev`,
    );
  }
  return { kind, pairs, baseKey, base: undefined };
}

/** A value that can stand behind its key on one line of YAML. */
function valueText(encoded: string, path: string): string {
  if (/%(?![0-9a-f]{2})/i.test(encoded)) {
    throw fault(path, `expected two hexadecimal digits behind each %, got "${encoded}"`);
  }
  let text: string;
  try {
    text = decodeURIComponent(encoded);
  } catch {
    throw fault(path, `expected UTF-8, got "${encoded}"`);
  }
  if (/\p{Cc}/u.test(text)) throw fault(path, 'expected no control characters');
  const document = parseDocument(text, { prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) throw fault(path, `YAML: ${error.message}`);
  const { contents } = document;
  const isCommented = [document.comment, document.commentBefore, contents?.comment].some(Boolean);
  const isOnOneLine =
    contents === null ||
    (isScalar(contents) && contents.type?.startsWith('BLOCK_') !== true) ||
    (isCollection(contents) && contents.flow === true);
  if (isCommented || !isOnOneLine) {
    throw fault(path, `expected a value, or {…} or […], got "${text}"; put it in quotes`);
  }
  return text;
}

function configurationText(stack: readonly Written[]): string {
  const entries = stack.map(({ kind, pairs, baseKey }, level) => [
    `  - name: ${nameAt(level)}`,
    `    kind: ${JSON.stringify(kind)}`,
    ...pairs.map(([key, value]) => `    ${key}: ${value}`),
    ...(baseKey === undefined ? [] : [`    ${baseKey}: ${nameAt(level + 1)}`]),
  ]);
  return ['version: 1', 'bdevs:', ...entries.flat(), ''].join('\n');
}

function nameAt(level: number): string {
  return `bdev${String(level)}`;
}

/** To the keys of what stands below all of these: `base.base.`. */
function basePrefix(stack: readonly Written[]): string {
  return stack.map(({ baseKey = '' }) => `${baseKey}.`).join('');
}

/** `bdevs[1].size`, as the target has it: `base.size`. */
function keyPath(path: string, stack: readonly Written[]): string {
  const [, level = '0', key = ''] = /^bdevs\[(\d+)\]\.?(.*)$/.exec(path) ?? [];
  return `${basePrefix(stack.slice(0, Number(level)))}${key}`;
}

function fault(path: string, message: string): TargetError {
  const at = path.replace(/\.$/, '');
  return new TargetError('argument_invalid', `TARGET: ${at === '' ? '' : `${at}: `}${message}`, {
    field: 'TARGET',
  });
}
