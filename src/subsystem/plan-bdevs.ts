/** Which bdevs stay, come and go. */

import { isDeepStrictEqual } from 'node:util';

import { basesOf, contentKey, contentPath, passingParameters } from '../bdev/kinds.js';
import { basesFirst } from '../bdev/stack.js';
import type { BdevParameters } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { isOther } from '../identity/content-change.js';
import type { ContentChange } from '../identity/content-change.js';
import { stillHeld } from './bdev-closing.js';
import type { TargetConfiguration } from './configuration.js';
import type { Drain } from './drain-list.js';
import { isSameBdev, isSameRequest, isVolatile, losesContent } from './open-bdev.js';
import type { OpenBdev } from './open-bdev.js';
import { places } from './plan-steps.js';
import type { Place, Steps } from './plan-steps.js';
import type { TargetState } from './target-state.js';

export interface BdevPlan {
  /** By configured name: what stays open, with the parameters that it is to have. */
  readonly keep: ReadonlyMap<string, OpenBdev>;
  /** Opened beside what runs. */
  readonly open: readonly Place<BdevParameters>[];
  /** Opened when `displaced` has let go of their files: a file cannot be open twice. */
  readonly exchange: readonly Place<BdevParameters>[];
  readonly displaced: readonly OpenBdev[];
  /** Unavailable before, and no other now: tried again, and no reason to refuse the rest. */
  readonly retry: readonly Place<BdevParameters>[];
  /** Of `close`: missing from then on, since their device is gone. */
  readonly lost?: readonly Place<BdevParameters>[];
  /** Closed at the end; without `displaced`. */
  readonly close: readonly OpenBdev[];
}

export function planBdevs(
  state: TargetState,
  desired: TargetConfiguration,
  steps: Steps,
): BdevPlan {
  const after = places(desired.bdevs, (bdev) => bdev.name, 'bdevs');
  const keep = new Map<string, OpenBdev>();
  const retry: Place<BdevParameters>[] = [];
  const wanted: Place<BdevParameters>[] = [];
  const stays = new Set<string>();
  for (const place of basesFirst([...after.values()], ({ item }) => item)) {
    const { name } = place.item;
    const running = state.bdevs.get(name);
    const missing = state.unavailable.bdevs.get(name);
    const isReplaced = replacement(state, name) !== undefined;
    const bases = basesOf(place.item);
    const onSame = bases.every((base) => keep.has(base));
    if (running !== undefined && isSameBdev(running, place.item) && !isReplaced && onSame) {
      keep.set(name, { ...running, parameters: place.item });
      stays.add(name);
      planInPlace(running, place, steps);
    } else if (
      missing !== undefined &&
      isSameRequest(missing.parameters, place.item) &&
      bases.every((base) => stays.has(base))
    ) {
      retry.push(place);
      stays.add(name);
    } else {
      wanted.push(place);
    }
  }
  const gone = [...state.bdevs.values()].filter(({ parameters }) => !keep.has(parameters.name));
  const wantedFiles = byFile(wanted, ({ item }) => contentPath(item));
  const wantedBases = new Set(wanted.flatMap(({ item }) => basesOf(item)));
  const displacedNames = new Set<string>();
  const displacedBases = new Set<string>();
  for (const old of basesFirst(gone, ({ parameters }) => parameters)) {
    const bases = basesOf(old.parameters);
    // What stands on what goes has to go before it; and where one stands, another cannot.
    const taken = bases.filter((base) => keep.has(base) && wantedBases.has(base));
    const isAbove = bases.some((base) => displacedNames.has(base));
    if (!isAbove && taken.length === 0 && !isInTheWay(state, old, wantedFiles)) continue;
    displacedNames.add(old.parameters.name);
    for (const base of taken) displacedBases.add(base);
  }
  const isDisplaced = ({ parameters }: OpenBdev): boolean => displacedNames.has(parameters.name);
  const displaced = gone.filter(isDisplaced);
  const displacedFiles = byFile(displaced, ({ parameters }) => contentPath(parameters));
  const exchangedNames = new Set<string>();
  for (const { item } of basesFirst(wanted, (place) => place.item)) {
    const bases = basesOf(item);
    const waits =
      displacedFiles.has(contentPath(item) ?? '') ||
      bases.some((base) => displacedBases.has(base) || exchangedNames.has(base));
    if (waits) exchangedNames.add(item.name);
  }
  const isExchanged = ({ item }: Place<BdevParameters>): boolean => exchangedNames.has(item.name);
  const drains = byFile(state.drains.all, ({ bdev }) =>
    bdev === null ? undefined : contentPath(bdev),
  );
  const used = connectedBdevs(state);
  for (const place of wanted) {
    const path = contentPath(place.item) ?? '';
    checkDrained(drains.get(path), place);
    const old = displacedFiles.get(path);
    if (old !== undefined) {
      checkThere(state, old, place);
      checkClosable(state, old, place);
    }
    planOpening(state, used, place, isExchanged(place), steps);
  }
  const before = places(state.desired.bdevs, (bdev) => bdev.name, 'bdevs');
  for (const old of gone) {
    const { name } = old.parameters;
    if (after.has(name)) continue;
    const key = before.get(name)?.key ?? 'bdevs';
    planClosing(contentLoss(state, used, old), key, old, isDisplaced(old), steps);
  }
  return {
    keep,
    open: wanted.filter((place) => !isExchanged(place)),
    exchange: wanted.filter(isExchanged),
    displaced,
    retry,
    close: gone.filter((old) => !isDisplaced(old)),
  };
}

/** What its path has become; what is gone, or cannot be seen, is served as long as it is wanted. */
function replacement(state: TargetState, name: string): ContentChange | undefined {
  const change = state.contents.changes.get(name);
  return change !== undefined && isOther(change) ? change : undefined;
}

/** The first of each file. */
function byFile<T>(items: readonly T[], fileOf: (item: T) => string | undefined): Map<string, T> {
  const files = new Map<string, T>();
  for (const item of items) {
    const path = fileOf(item);
    if (path !== undefined && !files.has(path)) files.set(path, item);
  }
  return files;
}

/** Another file that has taken the path can be opened beside what is being served. */
function isInTheWay(
  state: TargetState,
  { parameters }: OpenBdev,
  wanted: ReadonlyMap<string, unknown>,
): boolean {
  const path = contentPath(parameters);
  const { name } = parameters;
  return path !== undefined && wanted.has(path) && replacement(state, name)?.kind !== 'replaced';
}

/** What is not at its path cannot be opened again there: it must not be closed for that. */
function checkThere(
  { contents }: TargetState,
  { parameters }: OpenBdev,
  { key }: Place<BdevParameters>,
): void {
  const change = contents.changes.get(parameters.name);
  if (change === undefined || isOther(change)) return;
  throw new TargetError(
    'in_use',
    `${key}: bdev ${parameters.name} cannot be opened anew: ${change.text}; it is served on as it ` +
      'is, and the open file may be the last copy of it (see docs/operating/identity.md)',
    { field: `${key}.${contentKey(parameters.kind) ?? ''}` },
  );
}

/** What a bdev that goes holds open, nobody else can open before it has drained. */
function checkDrained(holder: Drain | undefined, { item, key }: Place<BdevParameters>): void {
  if (holder !== undefined) throw atKey(key, stillHeld(item, holder));
}

/** A bdev that is held by what an earlier change took away could not be closed. */
function checkClosable(
  { limits, tables }: TargetState,
  { parameters, description }: OpenBdev,
  { key }: Place<BdevParameters>,
): void {
  const since = tables.overdueSince(description.name, limits.drainDeadlineMs);
  if (since === null) return;
  throw atKey(
    key,
    new TargetError(
      'in_use',
      `bdev ${parameters.name} cannot be opened anew: I/O of a namespace that was taken away is ` +
        `under way on it since ${since.toISOString()}; try again when that I/O has ended`,
    ),
  );
}

function atKey(key: string, { code, message, field }: TargetError): TargetError {
  return new TargetError(code, `${key}: ${message}`, {
    field: field === undefined ? key : `${key}.${field}`,
  });
}

/** Parameters that need no opening, or count only at one. */
function planInPlace(running: OpenBdev, { item, key }: Place<BdevParameters>, steps: Steps): void {
  const before = passingParameters(running.parameters);
  const isSame = isDeepStrictEqual(before, passingParameters(item));
  if (!isSame) steps.add('access', { kind: 'bdev_update', key, text: `update bdev ${item.name}` });
}

function planOpening(
  state: TargetState,
  used: ReadonlySet<string>,
  { item, key }: Place<BdevParameters>,
  exchanged: boolean,
  steps: Steps,
): void {
  const { name, kind } = item;
  const phase = exchanged ? 'exchange' : 'open';
  const running = state.bdevs.get(name);
  if (running === undefined) {
    steps.add(phase, { kind: 'bdev_create', key, text: `create bdev ${name} (${kind})` });
    return;
  }
  const loss = contentLoss(state, used, running);
  const replaced = replacement(state, name);
  const disposable = isDisposable(running.parameters) || isDisposable(item);
  steps.add(phase, {
    kind: 'bdev_recreate',
    key,
    text:
      replaced === undefined
        ? `close bdev ${name} and open it again with other parameters`
        : `close bdev ${name} and open it again: ${replaced.text}`,
    notice: loss,
    needs: loss === null || disposable ? [] : ['data-loss'],
  });
}

function planClosing(
  loss: string | null,
  key: string,
  { parameters }: OpenBdev,
  displaced: boolean,
  steps: Steps,
): void {
  steps.add(displaced ? 'withdraw' : 'close', {
    kind: 'bdev_delete',
    key,
    text: `delete bdev ${parameters.name}`,
    notice: loss,
    needs: loss === null || isDisposable(parameters) ? [] : ['data-loss'],
  });
}

/** Its operator has said that nothing is lost with it. */
function isDisposable(bdev: BdevParameters): boolean {
  return bdev['disposable'] === true;
}

function contentLoss(state: TargetState, used: ReadonlySet<string>, old: OpenBdev): string | null {
  const { name } = old.parameters;
  if (state.contents.changes.get(name)?.kind === 'gone') {
    return `${contentPath(old.parameters) ?? ''} is gone: unless it was moved, the open file is the last copy of it`;
  }
  const isWritten = isVolatile(old.parameters) && used.has(old.description.name);
  if (!isWritten && !losesContent(state.engine, old)) return null;
  return 'it is a RAM disk, and its content is gone';
}

/** By the engine's name: a host that is connected may be writing to it now. */
function connectedBdevs(state: TargetState): Set<string> {
  const names = new Set<string>();
  for (const { controllers, namespaces } of state.subsystems.values()) {
    if (controllers.size === 0) continue;
    for (const { bdev } of namespaces.values()) names.add(bdev.name);
  }
  return names;
}
