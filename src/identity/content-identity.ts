/** The identity of what a bdev holds: hosts take equal identifiers for equal bytes. */

import type { ContentRecord } from './content-record.js';

/**
 * Where an identity comes from:
 *
 * - `random`: the content is in memory, and another one each time
 * - `file`: recorded with the file, or to be
 * - `device`: what the block device says of itself
 * - `state_directory`: recorded there, because the content can carry nothing
 */
export type IdentitySource = 'random' | 'file' | 'device' | 'state_directory';

/** Where a record of this content is kept, and how an operator removes it. */
export interface RecordHolder {
  readonly source: 'file' | 'device' | 'state_directory';
  /** What it is that has the identity: `/srv/disk0.img`, `wwid naa.5…`. */
  readonly what: string;
  readonly remedy: string;
  write(record: ContentRecord): Promise<RecordHolder>;
}

export class ContentIdentity {
  readonly source: IdentitySource;
  /** What it was made of, or where it is recorded; for people. */
  readonly detail: string;
  /**
   * The same as long as the content is: the UUID that is recorded; of volatile content, one that no
   * host ever sees.
   */
  readonly content: string;
  readonly uuid: string;
  /** Null: it follows from the UUID. */
  readonly nguid: string | null;
  /** Null: nothing is recorded yet. */
  readonly record: ContentRecord | null;
  /** Null: the content cannot be recorded, since it does not last. */
  readonly holder: RecordHolder | null;
  /** What it was found to be a copy of, and why, for people; null: of nothing. */
  readonly copy: { readonly uuid: string; readonly reason: string } | null;
  /** Something an operator should know; null: nothing. */
  readonly warning: string | null;

  constructor(
    parts: Pick<ContentIdentity, 'source' | 'detail' | 'uuid'> & Partial<ContentIdentity>,
  ) {
    this.source = parts.source;
    this.detail = parts.detail;
    this.uuid = parts.record?.uuid ?? parts.uuid;
    this.nguid = parts.record?.nguid ?? null;
    this.content = parts.content ?? this.uuid;
    this.record = parts.record ?? null;
    this.holder = parts.holder ?? null;
    this.copy = parts.copy ?? null;
    this.warning = parts.warning ?? null;
  }
}
