/**
 * One step from one configuration to another, as it is shown to people beforehand: what it does,
 * what hosts will notice of it, and whether it needs their operator's permission. `plan.ts` makes
 * them; nobody carries them out one by one.
 */

import { TargetError } from '../errors.js';
import type { SubsystemConfiguration } from './configuration.js';

/** What a subsystem is, without what hangs on it: hosts, listeners and namespaces. */
export type SubsystemParameters = Pick<
  SubsystemConfiguration,
  'nqn' | 'serial' | 'model' | 'allowAnyHost' | 'cntlidRange'
>;

/**
 * What a step may need before it is made:
 *
 * - `disconnect`: it takes a namespace, a subsystem or a bdev away from hosts that are connected to
 * it
 * - `data-loss`: it destroys data that nobody can bring back: the content of a RAM disk, or of a
 * file that was deleted and is only held open
 *
 * To shut a host out needs none: it is what the operator wrote, and a host that may no longer be
 * there must not stay for want of another word.
 */
export const permissions = ['data-loss', 'disconnect'] as const;

export type Permission = (typeof permissions)[number];

export type ChangeKind =
  | 'bdev_create'
  | 'bdev_delete'
  | 'bdev_recreate'
  | 'bdev_update'
  | 'subsystem_add'
  | 'subsystem_remove'
  | 'subsystem_update'
  | 'host_add'
  | 'host_remove'
  | 'namespace_add'
  | 'namespace_remove'
  | 'namespace_replace'
  | 'namespace_update'
  | 'listener_add'
  | 'listener_remove'
  | 'discovery_listener_add'
  | 'discovery_listener_remove'
  | 'endpoint_open'
  | 'endpoint_close';

export interface Change {
  readonly kind: ChangeKind;
  /** The configuration key that it comes from: `subsystems[0].namespaces[1]`. */
  readonly key: string;
  /** One line for people: what the change does. */
  readonly text: string;
  /** What hosts, or data, have of it; null if nobody need notice. */
  readonly notice: string | null;
  readonly needs: readonly Permission[];
}

/**
 * A plan was refused because steps of it need permission that was not given.
 */
export class PermissionError extends TargetError {
  /** The steps that need it, in the order of the plan. */
  readonly changes: readonly Change[];
  /** The message without the outcome. */
  readonly reason: string;
  /** What was not given of what they need. */
  readonly missing: readonly Permission[];

  /** `outcome` says what is so now: whoever took something away meanwhile says that it is back. */
  constructor(
    changes: readonly Change[],
    missing: readonly Permission[],
    outcome = 'nothing has changed',
  ) {
    const steps = changes.map(permissionLine).join('; ');
    const reason = `permission is missing (${missing.join(', ')}): ${steps}`;
    const field = changes[0]?.key;
    const options = field === undefined ? {} : { field };
    super('permission_needed', `${outcome}, because ${reason}`, options);
    this.reason = reason;
    this.changes = changes;
    this.missing = missing;
  }
}

/** Whether it is more than news: something is lost, or somebody. */
export function isWarning({ kind, notice }: Change): boolean {
  return notice !== null && kind !== 'namespace_add' && kind !== 'namespace_update';
}

/** `remove subsystem nqn…: cuts off 2 hosts (disconnect)`. */
export function permissionLine({ text, notice, needs }: Change): string {
  return `${text}: ${notice ?? ''} (${needs.join(', ')})`;
}

/** Throws unless `given` is all that `changes` need. */
export function checkPermissions(changes: readonly Change[], given: readonly Permission[]): void {
  const missing = permissions.filter(
    (permission) =>
      !given.includes(permission) && changes.some(({ needs }) => needs.includes(permission)),
  );
  if (missing.length === 0) return;
  const steps = changes.filter(({ needs }) => needs.some((need) => missing.includes(need)));
  throw new PermissionError(steps, missing);
}
