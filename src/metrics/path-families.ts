/** Metrics of bdevs that are reached over the network, by one path or several. */

import { pathStates } from '../engine/engine-types.js';
import type { ObservedTarget } from './families.js';
import { type Family, gauge } from './family.js';

export function pathFamilies(target: Pick<ObservedTarget, 'bdevs'>): Family[] {
  return [
    gauge(
      'capsuled_nvmf_path_state',
      '1 for the state that a path of a bdev is in, 0 for the others.',
      () =>
        target.bdevs.flatMap(({ name: bdev, paths }) =>
          paths.flatMap(({ name: path, state: is }) =>
            pathStates.map((state) => ({
              labels: { bdev, path, state },
              value: state === is ? 1 : 0,
            })),
          ),
        ),
    ),
  ];
}
