/**
 * What a namespace shows to hosts: what its operator wrote, else what its content has. Checked
 * against what is recorded, and remembered: a host that believes that a namespace is one disk must
 * not meet another one there unawares.
 */

import { createHash } from 'node:crypto';

import { TargetError } from '../errors.js';
import type { NamespaceConfiguration } from '../subsystem/configuration.js';
import { nguidOf } from '../subsystem/identity.js';
import type { Logger } from '../subsystem/logger.js';
import type { ContentIdentities } from './content-identities.js';
import type { ContentIdentity } from './content-identity.js';
import type { ContentRecord } from './content-record.js';
import type { StateDirectory } from './state-directory.js';

/** The identifiers of a namespace. */
export interface Identifiers {
  readonly uuid: string;
  /** 32 hexadecimal digits. */
  readonly nguid: string;
}

/** What was last exported under an NQN and NSID. */
interface ExportRecord {
  readonly version: 1;
  readonly subsystem: string;
  readonly nsid: number;
  readonly content: string;
  /** How many contents there have been. */
  readonly contents: number;
}

/**
 * What was exported under an NQN and NSID before:
 *
 * - `same`: this content, or nothing, as long as can be remembered
 * - `another`: another content was there last
 * - `once_another`: this one was there last, another one some time before it
 */
export type ExportHistory = 'same' | 'another' | 'once_another';

export function identifiersOf(
  { uuid, nguid }: Pick<NamespaceConfiguration, 'uuid' | 'nguid'>,
  identity: ContentIdentity,
): Identifiers {
  const ours = (uuid ?? identity.uuid).toLowerCase();
  return { uuid: ours, nguid: (nguid ?? identity.nguid ?? nguidOf(ours)).toLowerCase() };
}

export class ExportIdentities {
  readonly #contents: ContentIdentities;
  readonly #state: StateDirectory;
  readonly #logger: Logger;

  constructor(contents: ContentIdentities, state: StateDirectory, logger: Logger) {
    this.#contents = contents;
    this.#state = state;
    this.#logger = logger;
  }

  /**
   * Before a content is exported: checks what is written, records what is not recorded yet, and
   * answers the identity as it is then. `key` is the configuration's, for errors. Throws
   * `identity_conflict`, `state_unusable`.
   */
  async prepare(
    subsystem: string,
    configuration: NamespaceConfiguration,
    identity: ContentIdentity,
  ): Promise<ContentIdentity> {
    const { nsid, bdev } = configuration;
    this.check(configuration, identity);
    if (identity.warning !== null) this.#logger.warn({ bdev }, identity.warning);
    if (identity.holder === null) {
      this.#warnOfVolatile(subsystem, configuration);
      return identity;
    }
    const { uuid, nguid } = identifiersOf(configuration, identity);
    const { record, copy, holder } = identity;
    const firstExport = { subsystem, nsid };
    if (record === null) {
      if (copy !== null && copy.uuid !== uuid) {
        this.#logger.warn(
          { bdev, uuid, copyOf: copy.uuid },
          `${holder.what} is a copy of the disk ${copy.uuid} (${copy.reason}): it gets the UUID ` +
            `${uuid} of its own; if it is that very disk, write \`uuid: ${copy.uuid}\``,
        );
      }
      return this.#contents.record(identity, uuid, ownNguid(nguid, uuid), firstExport);
    }
    if (isRecorded(record, { uuid, nguid })) {
      if (record.firstExport.subsystem !== '') return identity;
      return this.#contents.record(identity, uuid, record.nguid, firstExport);
    }
    return this.#contents.record(identity, uuid, ownNguid(nguid, uuid), firstExport);
  }

  /** Throws `identity_conflict` if what is written is not what is recorded. */
  check(configuration: NamespaceConfiguration, identity: ContentIdentity): void {
    const { record } = identity;
    if (record === null) return;
    const identifiers = identifiersOf(configuration, identity);
    if (isRecorded(record, identifiers)) return;
    // The operator says that what was taken for a copy is the disk itself.
    if (configuration.uuid !== undefined && record.copyOf === identifiers.uuid) return;
    throw conflict(configuration, identity);
  }

  /** Remembers what is exported under the NQN and NSID; answers what was there before. */
  async remember(
    subsystem: string,
    nsid: number,
    identity: ContentIdentity,
  ): Promise<ExportHistory> {
    const name = exportFile(subsystem, nsid);
    const { content } = identity;
    const before = parseExport(await this.#state.read(name), this.#state.pathOf(name));
    if (before?.content === content) return before.contents > 1 ? 'once_another' : 'same';
    const contents = (before?.contents ?? 0) + 1;
    const record: ExportRecord = { version: 1, subsystem, nsid, content, contents };
    await this.#state.write(name, `${JSON.stringify(record)}\n`);
    return contents > 1 ? 'another' : 'same';
  }

  #warnOfVolatile(subsystem: string, { nsid, bdev, uuid, nguid }: NamespaceConfiguration): void {
    if (uuid === undefined && nguid === undefined) return;
    this.#logger.warn(
      { subsystem, nsid, bdev },
      `the identity of namespace ${nsid} is written in the configuration, but ${bdev} is empty ` +
        'after each start: hosts will take the empty disk for the one that they knew',
    );
  }
}

function isRecorded(record: ContentRecord, { uuid, nguid }: Identifiers): boolean {
  return record.uuid === uuid && (record.nguid ?? nguidOf(record.uuid)) === nguid;
}

/** Recorded only if it does not follow from the UUID. */
function ownNguid(nguid: string, uuid: string): string | null {
  return nguid === nguidOf(uuid) ? null : nguid;
}

function conflict(
  { nsid, bdev, uuid, nguid }: NamespaceConfiguration,
  { record, holder }: ContentIdentity,
): TargetError {
  const { subsystem = '', nsid: firstNsid = 0 } = record?.firstExport ?? {};
  const known = `uuid ${record?.uuid ?? ''}` + (record?.nguid ? `, nguid ${record.nguid}` : '');
  const written = [
    ...(uuid === undefined ? [] : [`uuid ${uuid}`]),
    ...(nguid === undefined ? [] : [`nguid ${nguid}`]),
  ].join(', ');
  return new TargetError(
    'identity_conflict',
    `expected the recorded identity for namespace ${nsid} (bdev ${bdev}), got ${written}: ` +
      `${holder?.what ?? ''} is recorded as ${known}, first exported on ${record?.recordedAt ?? ''} ` +
      `as namespace ${firstNsid} of ${subsystem}. If it is that disk, write its uuid or leave the ` +
      `keys out; if it shall be another disk for its hosts, remove the record: ${holder?.remedy ?? ''}`,
    { field: uuid === undefined ? 'nguid' : 'uuid' },
  );
}

function exportFile(subsystem: string, nsid: number): string {
  const hash = createHash('sha256').update(`${subsystem}\0${nsid}`).digest('hex');
  return `exports/${hash.slice(0, 32)}.json`;
}

function parseExport(text: string | null, path: string): ExportRecord | null {
  if (text === null) return null;
  try {
    const record = JSON.parse(text) as Partial<ExportRecord> | null;
    const { version, content, contents } = record ?? {};
    if (version === 1 && typeof content === 'string' && Number.isInteger(contents)) {
      return record as ExportRecord;
    }
  } catch {
    // Said below.
  }
  throw new TargetError(
    'state_unusable',
    `expected what was exported in ${path}, got something else; remove it only when no host ` +
      'believes any more in what it had under this namespace',
    { field: 'state_directory' },
  );
}
