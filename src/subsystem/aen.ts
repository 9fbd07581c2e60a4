/**
 * Asynchronous events of one controller (NVMe Base 2.1, 5.1.2): which it may raise, and which it
 * has raised and waits for the host to read about. The requests themselves are parked in the
 * engine.
 */

import { getBits, hasBit, packBits } from '../wire/bits.js';
import type { BitRange } from '../wire/bits.js';
import {
  AsyncEventConfigurationBits,
  AsyncEventHealth,
  AsyncEventNotice,
  AsyncEventResultBits,
  AsyncEventType,
  LogPage,
} from '../wire/layout.gen.js';

/** Something that a host may want to know. */
export type Notice = 'namespace_attribute_changed' | 'discovery_log_changed';

interface NoticeKind {
  readonly information: number;
  /** The log page whose reading clears it. */
  readonly lid: number;
  /** Its bit in the Asynchronous Event Configuration feature and in OAES. */
  readonly enable: BitRange;
}

const notices: Record<Notice, NoticeKind> = {
  namespace_attribute_changed: {
    information: AsyncEventNotice.namespaceAttributeChanged,
    lid: LogPage.changedNamespaceList,
    enable: AsyncEventConfigurationBits.nsan,
  },
  discovery_log_changed: {
    information: AsyncEventNotice.discoveryLogPageChange,
    lid: LogPage.discovery,
    enable: AsyncEventConfigurationBits.dlpcn,
  },
};

/** Optional Asynchronous Events Supported (OAES) of either kind of controller. */
export function noticesSupported(kind: 'io' | 'discovery'): number {
  const notice = notices[kind === 'io' ? 'namespace_attribute_changed' : 'discovery_log_changed'];
  return packBits([notice.enable, 1]);
}

export class AsynchronousEvents {
  /** Asynchronous Event Configuration, as the host set it. */
  enabled: number;
  /** LIDs of the events that were raised and not read about. */
  readonly #unread = new Set<number>();

  /** Hosts that never set the feature get all that is supported, as Linux's target does it. */
  constructor(enabled: number) {
    this.enabled = enabled;
  }

  /**
   * Dword 0 of the event to raise; null if the host does not want it, or was told and did not read
   * yet.
   */
  raise(notice: Notice): number | null {
    const { information, lid, enable } = notices[notice];
    if (!hasBit(this.enabled, enable) || this.#unread.has(lid)) return null;
    this.#unread.add(lid);
    return packBits(
      [AsyncEventResultBits.aet, AsyncEventType.notice],
      [AsyncEventResultBits.aei, information],
      [AsyncEventResultBits.lid, lid],
    );
  }

  /**
   * The same of Critical Warning bits of the SMART log that are new. Those that are raised here are
   * about reliability: temperature and spare blocks have events of their own, and we have neither.
   */
  raiseHealth(criticalWarning: number): number | null {
    const lid = LogPage.smartHealthInformation;
    const wanted = getBits(this.enabled, AsyncEventConfigurationBits.shcw) & criticalWarning;
    if (wanted === 0 || this.#unread.has(lid)) return null;
    this.#unread.add(lid);
    return packBits(
      [AsyncEventResultBits.aet, AsyncEventType.smartHealth],
      [AsyncEventResultBits.aei, AsyncEventHealth.reliability],
      [AsyncEventResultBits.lid, lid],
    );
  }

  /** The host read the log page without Retain Asynchronous Event. */
  logRead(lid: number): void {
    this.#unread.delete(lid);
  }

  /** A controller reset forgets what was raised. */
  reset(enabled: number): void {
    this.enabled = enabled;
    this.#unread.clear();
  }
}
