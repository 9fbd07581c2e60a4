/**
 * Counters of the admin plane, for the metrics. Plain numbers: one thread writes and reads them.
 */

/**
 * Why a Connect was rejected; stable words, the values of
 * `capsuled_connect_rejected_total{reason}`.
 */
export const connectRejectReasons = [
  'already_connected',
  'cntlid_invalid',
  'controller_limit',
  'controller_not_enabled',
  'format_invalid',
  'host_invalid',
  'host_not_allowed',
  'internal',
  'length_invalid',
  'qid_duplicate',
  'qid_invalid',
  'queue_limit',
  'queue_size_invalid',
  'subsystem_not_offered',
  'subsystem_unknown',
] as const;

export type ConnectRejectReason = (typeof connectRejectReasons)[number];

export class TargetCounters {
  readonly connectRejectedTotal = new Map<ConnectRejectReason, number>(
    connectRejectReasons.map((reason) => [reason, 0]),
  );
  /** Closed connections by the engine's reason. */
  readonly connectionsClosedTotal = new Map<string, number>();

  connectRejected(reason: ConnectRejectReason): void {
    this.connectRejectedTotal.set(reason, (this.connectRejectedTotal.get(reason) ?? 0) + 1);
  }

  connectionClosed(reason: string): void {
    this.connectionsClosedTotal.set(reason, (this.connectionsClosedTotal.get(reason) ?? 0) + 1);
  }
}
