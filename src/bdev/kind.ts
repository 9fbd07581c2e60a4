/**
 * What a kind of bdev is to everything else. Each is one file of this folder, `<kind>.ts`, and one
 * line in `all.ts`; its part in the engine is the folder `addon/bdev/<kind>`.
 *
 * Most follows from the schema: which keys there are and their defaults, which of them are files
 * (`x-content`), and which can be changed while the bdev is open (`x-effect: reload`).
 */

import type { Reader } from '../config/reader.js';
import type { BdevDescription, BdevParameters, BdevValue } from '../engine/engine-types.js';
import type { Machine } from '../identity/machine.js';
import type { TSchema } from '../json-schema.js';

/** As the reader left it: what could not be read is missing. */
export type BdevDraft = Readonly<Record<string, BdevValue | undefined>>;

export interface BdevKind {
  /** Of its entry in `bdevs`; `kind` is a constant. `kinds.ts` adds what every kind has. */
  readonly schema: TSchema;
  /** What was written to it is gone when it is closed. */
  readonly isVolatile: boolean;
  /** It keeps nothing, so a write destroys nothing. */
  readonly forgetsWrites?: true;
  /**
   * Of one that stands on another: what of that it is, or what it makes of it, in words that always
   * are the same; nothing, or no such words: all of it, as it is.
   */
  readonly part?: (bdev: BdevDraft, description: BdevDescription) => string;
  /** Reports what its keys may not be to each other. */
  readonly check?: (bdev: BdevDraft, path: string, reader: Reader) => void;
  /**
   * Its device can be taken out and put back. When it is gone the bdev is closed, and opened anew
   * when there is one again: hosts see the namespace go and come, since what they had not flushed
   * may be lost.
   */
  readonly isRemovable?: boolean;
  /** What the engine is told beside what is written, because of the machine that this is. */
  readonly ofMachine?: (bdev: BdevParameters, machine: Machine) => Record<string, BdevValue>;
  /** How much memory of the machine it takes when it is full. */
  readonly memoryBytes?: (bdev: BdevDraft) => bigint;
}
