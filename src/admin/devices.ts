/** /v1/devices: the NVMe controllers on PCI Express of this machine. */

import { Type } from '../json-schema.js';
import { type HolderKind, holderKinds } from '../device/holders.js';
import { listRoute } from './listing.js';
import type { ResourcePlugin } from './sources.js';

const textOrNull = (description?: string) =>
  Type.Union([Type.String(), Type.Null()], {
    ...(description === undefined ? {} : { description }),
  });
const integerOrNull = (description: string) =>
  Type.Union([Type.Integer(), Type.Null()], { description });

const deviceSchema = Type.Object({
  address: Type.String({ description: 'as `capsuled device` takes it, such as 0000:01:00.0' }),
  vendor: Type.String({ description: 'four hexadecimal digits' }),
  device: Type.String({ description: 'four hexadecimal digits' }),
  model: textOrNull(
    'Names are those that the drive says while the kernel drives it, or said before it was bound.',
  ),
  serial: textOrNull(),
  firmware: textOrNull(),
  controller: textOrNull('Of the kernel, such as nvme0; null: the kernel does not drive it.'),
  state: textOrNull('Of that controller, such as live.'),
  subnqn: textOrNull(),
  namespaces: Type.Array(
    Type.Object({
      name: Type.String(),
      nsid: Type.Integer(),
      block_size: Type.Integer({ description: 'bytes' }),
      size: Type.Integer({ description: 'bytes' }),
    }),
    { description: 'Those that the kernel shows as block devices.' },
  ),
  size: integerOrNull('Of all namespaces, bytes; null: nobody can say.'),
  driver: textOrNull('nvme, vfio-pci, …'),
  driver_override: textOrNull('The only driver that may have it; null: whichever fits.'),
  former_driver: textOrNull('That `capsuled device unbind` gives it back to.'),
  iommu_group: integerOrNull('Null: it is behind no IOMMU.'),
  group_devices: Type.Array(
    Type.Object({ address: Type.String(), class: Type.String(), driver: textOrNull() }),
    { description: 'Others of the IOMMU group, without bridges.' },
  ),
  numa_node: integerOrNull('Null: it is near to none.'),
  in_use_by: Type.Array(
    Type.Object({
      kind: Type.Unsafe<HolderKind>({ type: 'string', enum: holderKinds }),
      device: Type.String({ description: 'what is held, such as nvme0n1p1' }),
      text: Type.String(),
    }),
    { description: 'Who uses it; while there is somebody, it cannot be bound or unbound.' },
  ),
  in_use_by_is_whole: Type.Boolean({
    description: 'False: there are processes at which the daemon could not look, or too many.',
  }),
});

export const devicesPlugin: ResourcePlugin = async (app, { sources }) => {
  listRoute(app, '/devices', {
    summary: 'The NVMe devices of this machine',
    item: deviceSchema,
    sortBy: ['address', 'model', 'size', 'driver', 'iommu_group', 'numa_node'],
    items: () => sources.devices(),
  });
};
