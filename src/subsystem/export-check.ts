/** What is exported for the first time is checked against what is recorded of it, and recorded. */

import { isDeepStrictEqual } from 'node:util';

import { TargetError } from '../errors.js';
import type { NamespaceConfiguration, TargetConfiguration } from './configuration.js';
import type { OpenBdev } from './open-bdev.js';
import type { TargetState } from './target-state.js';

/**
 * `bdevs`: by configured name, those that are open. Throws `identity_conflict` or `state_unusable`,
 * with the key.
 */
export async function checkExports(
  state: TargetState,
  desired: TargetConfiguration,
  bdevs: ReadonlyMap<string, OpenBdev>,
): Promise<void> {
  const users = new Map<string, string>();
  for (const [index, { nqn, namespaces }] of desired.subsystems.entries()) {
    for (const [position, configuration] of namespaces.entries()) {
      const bdev = bdevs.get(configuration.bdev);
      if (bdev === undefined) continue;
      const key = `subsystems[${index}].namespaces[${position}]`;
      await checkExport(state, nqn, configuration, bdev, key);
      checkDistinct(state, configuration, bdev, key, users);
    }
  }
}

async function checkExport(
  { contents, subsystems }: TargetState,
  nqn: string,
  configuration: NamespaceConfiguration,
  bdev: OpenBdev,
  key: string,
): Promise<void> {
  const served = subsystems.get(nqn)?.namespaces.get(configuration.nsid);
  const isServed =
    served?.bdev.name === bdev.description.name &&
    isDeepStrictEqual(served.configuration, configuration);
  if (isServed) return;
  try {
    await contents.beforeExport(nqn, configuration, bdev);
  } catch (thrown) {
    const cause = TargetError.from(thrown);
    const field = cause.code === 'identity_conflict' ? `${key}.${cause.field ?? ''}` : key;
    throw new TargetError(cause.code, `${field}: ${cause.message}`, { field, cause });
  }
}

/** Hosts would take two disks of one identity for one. */
function checkDistinct(
  { contents }: TargetState,
  configuration: NamespaceConfiguration,
  { description }: OpenBdev,
  key: string,
  users: Map<string, string>,
): void {
  const { uuid, nguid } = contents.identifiersOf(configuration, description);
  for (const identifier of [`uuid ${uuid}`, `nguid ${nguid}`]) {
    const other = users.get(identifier);
    if (other !== undefined) {
      throw new TargetError(
        'identity_conflict',
        `${key}: expected an identity of its own for bdev ${configuration.bdev}, got the ` +
          `${identifier} of bdev ${other}; if one is a copy of the other, remove its record ` +
          '(see docs/operating/identity.md)',
        { field: key },
      );
    }
    users.set(identifier, configuration.bdev);
  }
}
