/**
 * Finds the identity of what a bdev holds, and records it when it is exported for the first time.
 *
 * A file carries its record along as an extended attribute. A record that was made for another
 * place (another inode, file system or machine) tells of a copy: it gets an identity of its own. A
 * block device is known by what it says of itself. What can carry nothing is known to the state
 * directory by where it is.
 */

import { createHash, randomUUID } from 'node:crypto';

import { contentPath, kindOf } from '../bdev/kinds.js';
import type {
  BdevDescription,
  BdevParameters,
  ContentFacts,
  Engine,
} from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import { namedUuid } from '../subsystem/identity.js';
import type { Logger } from '../subsystem/logger.js';
import { fileReason } from '../system-error.js';
import { ContentIdentity } from './content-identity.js';
import type { RecordHolder } from './content-identity.js';
import { formatRecord, isSamePlace, parseRecord } from './content-record.js';
import type { ContentPlace, ContentRecord } from './content-record.js';
import { deviceIdentity } from './device-identity.js';
import type { Machine } from './machine.js';
import type { RecordJournal } from './record-journal.js';

const attribute = 'user.capsuled.identity';

/** Reasons why a file cannot carry a record, though there is nothing wrong with it. */
const cannotCarry: ReadonlySet<string> = new Set([
  'ENOTSUP',
  'EOPNOTSUPP',
  'EROFS',
  'EACCES',
  'EPERM',
  'ENOSPC',
  'EDQUOT',
  'E2BIG',
  'ERANGE',
  'ENOSYS',
  'EINVAL',
]);

/** Reasons why a record cannot be read that tell of a file without one; others may pass. */
const hasNone: ReadonlySet<string> = new Set([
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  // We may not write into such a file either.
  'EACCES',
  'EPERM',
]);

export interface IdentityParts {
  readonly engine: Pick<Engine, 'recordIdentity'>;
  readonly logger: Logger;
  readonly state: RecordJournal;
  readonly machine: Machine;
}

type OpenFile = { readonly path: string; readonly facts: ContentFacts; readonly readOnly: boolean };

export class ContentIdentities {
  readonly #parts: IdentityParts;
  /** By file: what was recorded for its parts in the change that is being made. */
  readonly #bases = new Map<string, Promise<ContentRecord>>();
  #basesOfChange = 0;

  constructor(parts: IdentityParts) {
    this.#parts = parts;
  }

  /** The identity of a bdev that was just opened. Throws `state_unusable`. */
  find(
    parameters: BdevParameters,
    description: BdevDescription,
    bases: readonly ContentIdentity[],
  ): Promise<ContentIdentity> {
    const { content } = description;
    const [base] = bases;
    if (base !== undefined) return this.#ofPart(parameters, description, base);
    if (content?.kind === 'block_device' && contentPath(parameters) === undefined) {
      return this.#ofDevice(description.name, content);
    }
    const path = contentPath(parameters);
    if (content === null || path === undefined) {
      const uuid = randomUUID();
      return Promise.resolve(
        new ContentIdentity({ source: 'random', detail: 'in memory', uuid, content: uuid }),
      );
    }
    if (content.namesError !== '') {
      throw unreadable(`what the machine says of ${path}`, content.namesError);
    }
    if (content.kind === 'file') {
      return this.#ofFile({ path, facts: content, readOnly: description.readOnly });
    }
    const { backing } = content;
    if (backing?.facts?.kind === 'file') return this.#ofLoop(content, description.readOnly);
    return this.#ofDevice(path, content);
  }

  /** Of what stands on another: what it is of that, or the same if it is all of it. */
  async #ofPart(
    parameters: BdevParameters,
    description: BdevDescription,
    base: ContentIdentity,
  ): Promise<ContentIdentity> {
    const part = kindOf(parameters.kind)?.part?.(parameters, description) ?? '';
    if (part === '') return base;
    const detail = `${part} of ${base.detail}`;
    const source = `${base.uuid} ${part}`;
    if (base.holder === null) {
      const uuid = namedUuid('part', source);
      return new ContentIdentity({ source: base.source, detail, uuid, content: uuid });
    }
    const own = this.#stateHolder({ part: source }, 'device', detail);
    const holder: RecordHolder = {
      ...own,
      write: async (record) => {
        // What it follows from has to last, too.
        if (base.record === null) await this.#recordBase(base);
        return own.write(record);
      },
    };
    return new ContentIdentity({
      source: base.source,
      detail,
      uuid: namedUuid('part', source),
      record: await this.#kept(own),
      holder,
    });
  }

  async #ofFile(file: OpenFile): Promise<ContentIdentity> {
    if (file.facts.fileSystem.id === '') throw unknownFileSystem(file.path);
    const place = this.#placeOf(file.facts);
    const inState = this.#stateHolder(
      { fileSystem: place.fileSystem, inode: place.inode, born: file.facts.bornNs.toString() },
      'state_directory',
      file.path,
    );
    const carried = this.#carried(file);
    const written = carried?.place ?? null;
    const isOwn = written !== null && isSamePlace(written, place);
    if (carried !== null && isOwn) {
      const holder = this.#fileHolder(file, inState);
      return new ContentIdentity({
        source: 'file',
        detail: file.path,
        uuid: carried.uuid,
        record: carried,
        holder,
      });
    }
    const kept = await this.#kept(inState);
    const canCarry = !file.readOnly && file.facts.identityError === '';
    const holder = canCarry ? this.#fileHolder(file, inState) : inState;
    return new ContentIdentity({
      source: holder.source,
      detail: file.path,
      uuid: randomUUID(),
      record: kept,
      holder,
      copy:
        carried === null || kept !== null
          ? null
          : { uuid: carried.uuid, reason: copyReason(carried.place, place) },
    });
  }

  /** The identity of the file behind a loop device; of a part of it, one that follows from it. */
  async #ofLoop(content: ContentFacts, readOnly: boolean): Promise<ContentIdentity> {
    const { backing } = content;
    if (!backing?.facts) throw new Error('expected a loop device');
    const { path, facts, offset, limit } = backing;
    const whole = await this.#ofFile({ path, facts, readOnly });
    if (offset === 0n && limit === 0n) return whole;
    // The file needs a record, so that the part's identity lasts.
    const base = whole.record ?? (await this.#baseOf(facts, whole));
    const source = `${base.uuid} from ${offset} for ${limit}`;
    const holder = this.#stateHolder({ part: source }, 'device', `${path}, ${source}`);
    return new ContentIdentity({
      source: 'device',
      detail: `a part of ${path}`,
      uuid: namedUuid('part', source),
      record: await this.#kept(holder),
      holder,
    });
  }

  /**
   * One record for all parts of a file. They are opened at once, so what each was opened with does
   * not show what another one has recorded in the same change.
   */
  #baseOf(facts: ContentFacts, whole: ContentIdentity): Promise<ContentRecord> {
    const { changeCount } = this.#parts.state;
    if (this.#basesOfChange !== changeCount) this.#bases.clear();
    this.#basesOfChange = changeCount;
    const key = [facts.fileSystem.id, facts.inode, facts.bornNs].join(' ');
    const base = this.#bases.get(key) ?? this.#recordBase(whole);
    this.#bases.set(key, base);
    return base;
  }

  async #recordBase({ uuid, holder }: ContentIdentity): Promise<ContentRecord> {
    const record = this.#newRecord(uuid, null, { subsystem: '', nsid: 0 }, null);
    await holder?.write(record);
    return record;
  }

  async #ofDevice(path: string, content: ContentFacts): Promise<ContentIdentity> {
    const { machine } = this.#parts;
    const own = deviceIdentity(content, machine);
    if (own !== null) {
      const holder = this.#stateHolder({ device: own.uuid }, 'device', `${path} (${own.source})`);
      const record = await this.#kept(holder);
      return new ContentIdentity({
        source: 'device',
        detail: own.source,
        uuid: own.uuid,
        record,
        holder,
      });
    }
    const sysfsPath = content.names['sysfs_path'] ?? path;
    const where = { sysfs: sysfsPath, size: content.size.toString(), machine: machine.tag };
    const holder = this.#stateHolder(where, 'state_directory', `${path} at ${sysfsPath}`);
    return new ContentIdentity({
      source: 'state_directory',
      detail: sysfsPath,
      uuid: randomUUID(),
      record: await this.#kept(holder),
      holder,
      warning:
        `${path} says nothing that tells it from other devices: it is known by its place ` +
        `(${sysfsPath}) and its size; another disk of that size there would be taken for it`,
    });
  }

  /** What an operator wrote, if anything, or what was found becomes the record. */
  async record(
    identity: ContentIdentity,
    uuid: string,
    nguid: string | null,
    firstExport: ContentRecord['firstExport'],
  ): Promise<ContentIdentity> {
    const { holder } = identity;
    if (holder === null) return identity;
    const record = this.#newRecord(uuid, nguid, firstExport, identity.copy?.uuid ?? null);
    const used = await holder.write(record);
    return new ContentIdentity({
      source: used.source,
      detail: identity.detail,
      uuid,
      record,
      holder: used,
      warning: identity.warning,
    });
  }

  #newRecord(
    uuid: string,
    nguid: string | null,
    firstExport: ContentRecord['firstExport'],
    copyOf: string | null,
  ): ContentRecord {
    const recordedAt = new Date().toISOString();
    return { uuid, nguid, place: null, recordedAt, firstExport, copyOf };
  }

  #placeOf(facts: ContentFacts): ContentPlace {
    const { machine } = this.#parts;
    return {
      fileSystem: facts.fileSystem.id,
      inode: facts.inode.toString(),
      machine: machine.lasts ? machine.tag : null,
    };
  }

  /** What the file carries; null: nothing. */
  #carried({ path, facts }: OpenFile): ContentRecord | null {
    const where = `the attribute ${attribute} of ${path}`;
    const { identityError } = facts;
    if (identityError === 'ERANGE') throw tooLong(where, removeAttribute(path));
    if (identityError !== '' && !hasNone.has(identityError)) throw unreadable(where, identityError);
    if (facts.identity === '') return null;
    return parseRecord(facts.identity, where, removeAttribute(path));
  }

  #fileHolder(file: OpenFile, inState: RecordHolder): RecordHolder {
    const { path, facts } = file;
    const { engine, logger, state } = this.#parts;
    let written = facts.identity;
    const record = async (identity: string): Promise<void> => {
      await engine.recordIdentity(path, facts, identity);
      written = identity;
    };
    const holder: RecordHolder = {
      source: 'file',
      what: path,
      remedy: removeAttribute(path),
      write: async (content) => {
        const before = written;
        const note = (): void => {
          state.note(`the identity recorded with ${path}`, () => record(before));
        };
        try {
          await record(formatRecord({ ...content, place: this.#placeOf(facts) }));
          note();
          return holder;
        } catch (thrown) {
          const { code = '' } = thrown as NodeJS.ErrnoException;
          if (!cannotCarry.has(code)) {
            // It may be there all the same, but not durable.
            note();
            const { message } = TargetError.from(thrown);
            throw new TargetError('state_unusable', message, { cause: thrown });
          }
          logger.info(
            { path, reason: code },
            'the identity of the file is kept in the state directory',
          );
          return inState.write(content);
        }
      },
    };
    return holder;
  }

  #stateHolder(
    key: Readonly<Record<string, string>>,
    source: 'device' | 'state_directory',
    what: string,
  ): RecordHolder {
    const { state, machine } = this.#parts;
    // A state directory that was copied with its machine knows nothing about the new one's disks.
    const name = contentFile({ ...key, machine: machine.tag });
    const holder: RecordHolder = {
      source,
      what,
      remedy: `rm ${shellWord(state.pathOf(name))}`,
      write: async (record) => {
        await state.write(name, `${formatRecord(record)}\n`);
        return holder;
      },
    };
    this.#names.set(holder, name);
    return holder;
  }

  readonly #names = new WeakMap<RecordHolder, string>();

  async #kept(holder: RecordHolder): Promise<ContentRecord | null> {
    const { state } = this.#parts;
    const name = this.#names.get(holder);
    const text = name === undefined ? null : await state.read(name);
    if (name === undefined || text === null) return null;
    return parseRecord(text, state.pathOf(name), holder.remedy);
  }
}

/** It may be there: a new identity in its place would be another disk for hosts. */
function unreadable(what: string, code: string): TargetError {
  const reason = fileReason({ code, message: 'the kernel says no more' });
  return new TargetError(
    'state_unusable',
    `${what} cannot be read (${code}: ${reason}), so that it is not known which disk it is`,
  );
}

function tooLong(where: string, remedy: string): TargetError {
  return new TargetError(
    'state_unusable',
    `expected the identity of a disk in ${where}, got more bytes than any has (ERANGE); ` +
      `if the disk may have a new identity, remove it: ${remedy}`,
  );
}

function unknownFileSystem(path: string): TargetError {
  return new TargetError(
    'state_unusable',
    `the file system of ${path} cannot be told, so that it is not known whether this is a copy`,
  );
}

function contentFile(key: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(key).sort(([left], [right]) => (left < right ? -1 : 1));
  const hash = createHash('sha256').update(JSON.stringify(sorted)).digest('hex');
  return `contents/${hash.slice(0, 32)}.json`;
}

function removeAttribute(path: string): string {
  return `setfattr -x ${attribute} ${shellWord(path)}`;
}

function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function copyReason(before: ContentPlace | null, now: ContentPlace): string {
  if (before === null) return 'it was recorded without a place';
  if (before.machine !== null && now.machine !== null && before.machine !== now.machine) {
    return 'it was recorded on another machine';
  }
  if (before.fileSystem !== now.fileSystem) return 'it was recorded on another file system';
  return `it was recorded for inode ${before.inode}, this is inode ${now.inode}`;
}
