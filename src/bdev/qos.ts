/** `qos`, which every kind of bdev has: what may go through it in a second. */

import { Type } from '../json-schema.js';
import type { Reader } from '../config/reader.js';
import { duration, integer, section, size } from '../config/schema-fields.js';
import type { BdevValue } from '../engine/engine-types.js';
import type { BdevDraft } from './kind.js';

const bandwidth = (what: string) =>
  Type.Optional(
    size({
      description: `Bytes in a second that are ${what}. Default: no limit.`,
      effect: 'reload',
      least: '4KiB',
      most: '1TiB',
    }),
  );

const limits = {
  iops: Type.Optional(
    integer(1, 1_000_000_000, {
      description: 'Operations of every type in a second. Default: no limit.',
      effect: 'reload',
    }),
  ),
  bandwidth: bandwidth('read, written or compared'),
  read_bandwidth: bandwidth('read or compared'),
  write_bandwidth: bandwidth('written'),
};

export const qosSchema = Type.Object(
  {
    ...limits,
    burst: duration({
      description:
        'A bdev that is idle saves up what its limits allow in so much time, and may use that at once.',
      effect: 'reload',
      default: '100ms',
      least: '10ms',
      most: '1h',
    }),
  },
  section('What may go through a bdev in a second.'),
);

export const qosField = Type.Optional(
  Type.Unsafe<Readonly<Record<string, BdevValue>>>({
    description: 'What may go through it in a second. Default: no limits.',
    'x-effect': 'reload',
    'x-page': 'qos.md',
    anyOf: [qosSchema],
  }),
);

/** A map without a limit is more likely a mistake than meant. */
export function checkQos({ qos }: BdevDraft, path: string, reader: Reader): void {
  if (typeof qos !== 'object') return;
  const names = Object.keys(limits);
  if (names.some((name) => reader.has(`${path}.qos.${name}`))) return;
  reader.error(`${path}.qos`, `expected at least one of ${names.join(', ')}`);
}
