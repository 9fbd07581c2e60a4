/** /v1/bdevs: the block devices. */

import { type Static, Type } from '../json-schema.js';
import { describeBdev } from '../bdev/kinds.js';
import type { BdevView } from '../subsystem/views.js';
import { listRoute } from './listing.js';
import type { ResourcePlugin } from './sources.js';

const bdevSchema = Type.Object({
  name: Type.String(),
  kind: Type.String(),
  block_size: Type.Integer({ description: 'bytes' }),
  block_count: Type.Integer(),
  size: Type.Integer({ description: 'bytes' }),
  read_only: Type.Boolean(),
  can_unmap: Type.Boolean(),
  can_write_zeroes: Type.Boolean(),
  volatile_cache: Type.Boolean(),
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
    items: () => sources.target.bdevs.map(bdevJson),
  });
};

function bdevJson(view: BdevView): Static<typeof bdevSchema> {
  return {
    name: view.name,
    kind: view.kind,
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
