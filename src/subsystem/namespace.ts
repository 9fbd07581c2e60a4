/**
 * A namespace of a subsystem: a bdev under an NSID, with identities. Immutable; a change replaces
 * it.
 */

import { isDeepStrictEqual } from 'node:util';

import type { BdevDescription, NamespaceEntry } from '../engine/engine-types.js';
import type { NamespaceConfiguration } from './configuration.js';
import type { Identifiers } from '../identity/export-identities.js';
import { uuidBytes, uuidText } from './identity.js';
import type { NamespaceView } from './views.js';

export class Namespace {
  readonly configuration: NamespaceConfiguration;
  /** With the engine's name of it. */
  readonly bdev: BdevDescription;
  /** 16 bytes. */
  readonly uuid: Buffer;
  /** 16 bytes. */
  readonly nguid: Buffer;
  /** 8 bytes, or null: an EUI-64 cannot be made up without an OUI. */
  readonly eui64: Buffer | null;
  /** The same as long as the content is; never shown. */
  readonly content: string;

  constructor(
    configuration: NamespaceConfiguration,
    bdev: BdevDescription,
    identifiers: Identifiers,
    content: string,
  ) {
    const { eui64 } = configuration;
    this.configuration = configuration;
    this.bdev = bdev;
    this.uuid = uuidBytes(identifiers.uuid);
    this.nguid = Buffer.from(identifiers.nguid, 'hex');
    this.content = content;
    this.eui64 = eui64 === undefined ? null : Buffer.from(eui64, 'hex');
  }

  get nsid(): number {
    return this.configuration.nsid;
  }

  /**
   * Whether a host that knows the one may take it for the other: identifiers, and the open bdev.
   */
  isSameDisk(other: Namespace): boolean {
    return (
      this.nsid === other.nsid &&
      this.bdev.name === other.bdev.name &&
      isDeepStrictEqual(this.#identifiers, other.#identifiers)
    );
  }

  get #identifiers(): readonly (Buffer | null)[] {
    return [this.uuid, this.nguid, this.eui64];
  }

  /** The bdev may be read-only by itself. */
  get readOnly(): boolean {
    return this.configuration.readOnly || this.bdev.readOnly;
  }

  get entry(): NamespaceEntry {
    return { nsid: this.nsid, bdev: this.bdev.name, readOnly: this.readOnly };
  }

  get view(): NamespaceView {
    return {
      nsid: this.nsid,
      bdev: this.configuration.bdev,
      readOnly: this.readOnly,
      uuid: uuidText(this.uuid),
      nguid: this.nguid.toString('hex'),
      eui64: this.eui64?.toString('hex') ?? null,
      blockSize: this.bdev.blockSize,
      blockCount: this.bdev.blockCount,
    };
  }
}
