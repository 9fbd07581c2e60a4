/**
 * What is recorded of a content's identity: with the content (the extended attribute of a file), or
 * in the state directory. One line of JSON, versioned; what is not understood is an error, never a
 * new identity.
 */

import { TargetError } from '../errors.js';

/** What a record was made for. A file that is somewhere else is a copy. */
export interface ContentPlace {
  /** Of the file system, `FileSystemFacts.id`. */
  readonly fileSystem: string;
  readonly inode: string;
  /** A name of the machine that tells nothing about it; null: the machine has none that lasts. */
  readonly machine: string | null;
}

export interface FirstExport {
  readonly subsystem: string;
  readonly nsid: number;
}

export interface ContentRecord {
  readonly uuid: string;
  /** What an operator wrote; null: it follows from the UUID. */
  readonly nguid: string | null;
  readonly place: ContentPlace | null;
  /** ISO 8601. */
  readonly recordedAt: string;
  readonly firstExport: FirstExport;
  /** The UUID that this content carried when it was found to be a copy. */
  readonly copyOf: string | null;
}

const version = 1;
const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function formatRecord(record: ContentRecord): string {
  return JSON.stringify({ version, ...record });
}

/** `where` names the record in errors; `remedy` says how to remove it. Throws `state_unusable`. */
export function parseRecord(text: string, where: string, remedy: string): ContentRecord {
  const value = parseObject(text);
  if (value !== null && typeof value['version'] === 'number' && value['version'] > version) {
    throw new TargetError(
      'state_unusable',
      `${where} was recorded by a later version of capsuled (format ${value['version']})`,
    );
  }
  const record = value as Partial<ContentRecord> | null;
  if (record === null || !isRecord(record)) {
    throw new TargetError(
      'state_unusable',
      `expected the identity of a disk in ${where}, got ${JSON.stringify(text.slice(0, 80))}; ` +
        `if the disk may have a new identity, remove it: ${remedy}`,
    );
  }
  return record;
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

function isRecord(record: Partial<ContentRecord> & { version?: unknown }): record is ContentRecord {
  const { uuid, nguid, place, recordedAt, firstExport, copyOf } = record;
  return (
    record.version === version &&
    typeof uuid === 'string' &&
    uuidForm.test(uuid) &&
    (nguid === null || (typeof nguid === 'string' && /^[0-9a-f]{32}$/.test(nguid))) &&
    (place === null || isPlace(place)) &&
    typeof recordedAt === 'string' &&
    typeof firstExport?.subsystem === 'string' &&
    typeof firstExport.nsid === 'number' &&
    (copyOf === null || typeof copyOf === 'string')
  );
}

function isPlace(place: Partial<ContentPlace> | undefined): boolean {
  return (
    typeof place?.fileSystem === 'string' &&
    typeof place.inode === 'string' &&
    (place.machine === null || typeof place.machine === 'string')
  );
}

export function isSamePlace(left: ContentPlace, right: ContentPlace): boolean {
  return (
    left.fileSystem === right.fileSystem &&
    left.inode === right.inode &&
    (left.machine === null || right.machine === null || left.machine === right.machine)
  );
}
