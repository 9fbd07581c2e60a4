/** /v1/bdevs: the block devices. */

import { type Static, Type } from '../json-schema.js';
import { describeBdev, describeParameters } from '../bdev/kinds.js';
import type { BdevView } from '../subsystem/views.js';
import { listRoute } from './listing.js';
import type { AdminSources, ResourcePlugin } from './sources.js';

const bdevSchema = Type.Object({
  name: Type.String(),
  kind: Type.String(),
  state: Type.Unsafe<'open' | 'unavailable' | 'draining'>({
    type: 'string',
    enum: ['open', 'unavailable', 'draining'],
    description:
      'unavailable: it cannot be opened now, and is tried again. draining: it was removed, and is held by I/O that ' +
      'has not ended. What is not known of these two is null.',
  }),
  reason: Type.Union([Type.String(), Type.Null()], { description: 'Why it is not open.' }),
  since: Type.Union([Type.String(), Type.Null()], { description: 'Since when it is not open.' }),
  block_size: Type.Union([Type.Integer(), Type.Null()], { description: 'bytes' }),
  block_count: Type.Union([Type.Integer(), Type.Null()]),
  size: Type.Union([Type.Integer(), Type.Null()], { description: 'bytes' }),
  read_only: Type.Union([Type.Boolean(), Type.Null()]),
  can_unmap: Type.Union([Type.Boolean(), Type.Null()]),
  can_write_zeroes: Type.Union([Type.Boolean(), Type.Null()]),
  volatile_cache: Type.Union([Type.Boolean(), Type.Null()]),
  namespace: Type.Union(
    [Type.Object({ subsystem: Type.String(), nsid: Type.Integer() }), Type.Null()],
    { description: 'The namespace that uses it.' },
  ),
  configuration: Type.Record(Type.String(), Type.Unknown(), {
    description: 'The entry of config.yaml that recreates it.',
  }),
});

export const bdevsPlugin: ResourcePlugin = async (app, { sources }) => {
  listRoute(app, '/bdevs', {
    summary: 'The block devices',
    item: bdevSchema,
    sortBy: ['name', 'kind', 'size'],
    items: () => bdevs(sources.target),
  });
};

type BdevJson = Static<typeof bdevSchema>;

function bdevs({ bdevs: open, unavailable, drains }: AdminSources['target']): BdevJson[] {
  return [
    ...open.map(bdevJson),
    ...unavailable.bdevs.map(({ parameters, reason, since }) => ({
      ...unknownFacts,
      name: parameters.name,
      kind: parameters.kind,
      state: 'unavailable' as const,
      reason,
      since: since.toISOString(),
      configuration: describeParameters(parameters),
    })),
    ...drains.flatMap(({ bdev, what, since }) =>
      bdev === null
        ? []
        : [
            {
              ...unknownFacts,
              name: bdev.name,
              kind: bdev.kind,
              state: 'draining' as const,
              reason: `${what} is held by I/O that has not ended`,
              since: since.toISOString(),
              configuration: describeParameters(bdev),
            },
          ],
    ),
  ];
}

const unknownFacts = {
  block_size: null,
  block_count: null,
  size: null,
  read_only: null,
  can_unmap: null,
  can_write_zeroes: null,
  volatile_cache: null,
  namespace: null,
};

function bdevJson(view: BdevView): BdevJson {
  return {
    name: view.name,
    kind: view.kind,
    state: 'open',
    reason: null,
    since: null,
    block_size: view.blockSize,
    block_count: Number(view.blockCount),
    size: Number(view.blockCount) * view.blockSize,
    read_only: view.readOnly,
    can_unmap: view.canUnmap,
    can_write_zeroes: view.canWriteZeroes,
    volatile_cache: view.volatileCache,
    namespace: view.namespace,
    configuration: describeBdev(view, view.parameters),
  };
}
