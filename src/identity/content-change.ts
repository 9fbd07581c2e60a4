/** What became of the name that a bdev was opened by, since it was opened. Pure. */

import type { ContentFacts } from '../engine/engine-types.js';
import type { TargetError } from '../errors.js';

/**
 * - `gone`: nothing is there, and what is served has another name, or none
 * - `replaced`: another file or device is there
 * - `resized`: it is another size than it was opened with
 * - `unreadable`: it could not be looked at
 */
export type ContentChangeKind = 'gone' | 'replaced' | 'resized' | 'unreadable';

export interface ContentChange {
  readonly kind: ContentChangeKind;
  /** For people: `disk0.img is another file than the one being served (inode 12 → 15)`. */
  readonly text: string;
}

/** `now` null: nothing is there. Null: it is what is being served. */
export function contentChange(
  path: string,
  served: ContentFacts,
  now: ContentFacts | null,
): ContentChange | null {
  if (now === null) {
    return { kind: 'gone', text: `${path} is gone: what is being served was moved or deleted` };
  }
  const difference = differenceOf(served, now);
  if (difference !== null) {
    const noun = served.kind === 'block_device' ? 'device' : 'file';
    return {
      kind: 'replaced',
      text: `${path} is another ${noun} than the one being served (${difference})`,
    };
  }
  if (served.size === now.size) return null;
  const verb = now.size > served.size ? 'grown' : 'shrunk';
  return {
    kind: 'resized',
    text: `${path} has ${verb} (${served.size} → ${now.size} bytes)`,
  };
}

/** It could not be seen, for the reason that the error gives. */
export function unreadable({ message }: TargetError): ContentChange {
  return { kind: 'unreadable', text: message };
}

/** Whether something else could be opened there. */
export function isOther({ kind }: ContentChange): boolean {
  return kind === 'replaced' || kind === 'resized';
}

function differenceOf(served: ContentFacts, now: ContentFacts): string | null {
  if (served.kind !== now.kind) return `${served.kind} → ${now.kind}`;
  if (served.device !== now.device) return `device ${served.device} → ${now.device}`;
  if (served.inode !== now.inode) return `inode ${served.inode} → ${now.inode}`;
  // An inode number is given out again.
  if (served.bornNs !== now.bornNs) return `born at another time, inode ${now.inode} again`;
  return null;
}
