/** `nvme`: a namespace of a local NVMe controller, driven by the daemon itself through VFIO. */

import { Type } from '../json-schema.js';
import { duration, integer, section, text } from '../config/schema-fields.js';
import { nameField } from './fields.js';
import type { BdevKind } from './kind.js';

const schema = Type.Object(
  {
    name: nameField,
    kind: Type.Literal('nvme', {
      description: 'A local NVMe drive, driven by the daemon itself.',
      'x-effect': 'new',
      'x-also': ['pcie', 'pci', 'vfio', 'ssd', 'nvme_pcie', 'bdev_nvme'],
    }),
    address: text('pci_address', {
      description:
        'PCI address of the controller, as `capsuled device list` shows it. It must have been given to vfio-pci.',
      effect: 'new',
    }),
    nsid: integer(1, 0xffff_fffe, {
      description: 'Which of its namespaces.',
      effect: 'new',
      default: 1,
    }),
    queue_entries: integer(2, 1024, {
      description:
        'Entries of the queue pair that each reactor has with it; one less may be under way at a time.',
      effect: 'new',
      default: 129,
    }),
    timeout: duration({
      description:
        'How long a command may be unanswered before it is aborted, and the controller reset if that does not help.',
      effect: 'new',
      default: '30s',
      least: '1s',
      most: '1h',
    }),
    reset_timeout: duration({
      description:
        'How long operations wait for a controller that is reset. Then they fail, so that hosts can use another path.',
      effect: 'new',
      default: '30s',
      least: '1s',
      most: '1h',
    }),
  },
  section(
    'A local NVMe drive without the kernel: no system call and no interrupt for an operation.',
  ),
);

export const nvme: BdevKind = { schema, isVolatile: false, isRemovable: true };
