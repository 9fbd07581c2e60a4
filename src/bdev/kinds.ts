/** What follows from the schemas of the kinds of bdevs. */

import { formatDuration, formatPatience } from '../config/duration.js';
import type { SchemaNode } from '../config/schema-node.js';
import { formatProbability } from '../config/probability.js';
import { formatSize } from '../config/size.js';
import type { BdevDescription, BdevParameters, BdevValue } from '../engine/engine-types.js';
import { Type } from '../json-schema.js';
import * as all from './all.js';
import type { BdevKind } from './kind.js';
import { checkQos, qosField } from './qos.js';

const kinds: readonly BdevKind[] = Object.values(all).map(withCommonKeys);

/** With what every kind has. */
function withCommonKeys(kind: BdevKind): BdevKind {
  const schema = kind.schema as SchemaNode;
  const properties = { ...schema.properties, qos: qosField as SchemaNode };
  return {
    ...kind,
    schema: { ...schema, properties },
    check: (bdev, path, reader) => {
      kind.check?.(bdev, path, reader);
      checkQos(bdev, path, reader);
    },
  };
}

export const bdevSchema = Type.Unsafe<BdevParameters>({
  anyOf: kinds.map(({ schema }) => schema),
  'x-discriminator': 'kind',
});

const byName = new Map(kinds.map((kind) => [keysOf(kind)['kind']?.const, kind]));

/** By name of the kind: what its entry in `bdevs` may have. */
export function kindSchemas(): ReadonlyMap<string, SchemaNode> {
  return new Map(
    kinds.map((kind) => [keysOf(kind)['kind']?.const ?? '', kind.schema as SchemaNode]),
  );
}

/** Undefined for what is none of ours. */
export function kindOf(name: unknown): BdevKind | undefined {
  return typeof name === 'string' ? byName.get(name) : undefined;
}

function keysOf(kind: BdevKind | undefined): Readonly<Record<string, SchemaNode>> {
  return (kind?.schema as SchemaNode | undefined)?.properties ?? {};
}

function fields({ kind }: Pick<BdevParameters, 'kind'>): [string, SchemaNode][] {
  return Object.entries(keysOf(kindOf(kind)));
}

/** With the paths in it resolved. */
export function resolveBdev(
  bdev: BdevParameters,
  resolvePath: (path: string) => string,
): BdevParameters {
  const paths = fields(bdev).flatMap(([key, { format }]) => {
    const value = bdev[key];
    return format === 'path' && typeof value === 'string' ? [[key, resolvePath(value)]] : [];
  });
  return { ...bdev, ...(Object.fromEntries(paths) as Record<string, string>) };
}

/** The key of {@link contentPath}. */
export function contentKey(kind: unknown): string | undefined {
  return Object.entries(keysOf(kindOf(kind))).find(([, node]) => node['x-content'])?.[0];
}

/** The file or device that its content is in, which is open once; undefined: there is none. */
export function contentPath(bdev: BdevParameters): string | undefined {
  const path = bdev[contentKey(bdev.kind) ?? ''];
  return typeof path === 'string' ? path : undefined;
}

/** The keys with names of bdevs that one of this kind stands on, and of how much of each. */
export function baseKeys(kind: unknown): [string, 'all' | 'range'][] {
  return Object.entries(keysOf(kindOf(kind))).flatMap(([key, node]) => {
    const base = node['x-base'];
    return base === undefined ? [] : [[key, base] as [string, 'all' | 'range']];
  });
}

/** Names of the bdevs that it stands on. */
export function basesOf(bdev: BdevParameters): string[] {
  return baseKeys(bdev.kind).flatMap(([key]) => {
    const name = bdev[key];
    return typeof name === 'string' ? [name] : [];
  });
}

/** What the engine is to be told, in its names of what the bdev stands on. */
export function engineParameters(
  bdev: BdevParameters,
  engineNameOf: (base: string) => string = (base) => base,
): BdevParameters {
  const bases = new Set(baseKeys(bdev.kind).map(([key]) => key));
  const ours = new Set(fields(bdev).flatMap(([key, node]) => (node['x-control'] ? [key] : [])));
  const told = Object.entries(bdev).flatMap(([key, value]): [string, BdevValue][] => {
    if (ours.has(key) || value === undefined) return [];
    return [[key, bases.has(key) && typeof value === 'string' ? engineNameOf(value) : value]];
  });
  return { ...Object.fromEntries(told), name: bdev.name, kind: bdev.kind };
}

/** Without what can be changed while it is open, and without what is undefined. */
export function lastingParameters(bdev: BdevParameters): Record<string, BdevValue> {
  const passing = new Set(
    fields(bdev).flatMap(([key, node]) => (node['x-effect'] === 'reload' ? [key] : [])),
  );
  return written(bdev, (key) => !passing.has(key));
}

/** What can be changed while it is open. */
export function passingParameters(bdev: BdevParameters): Record<string, BdevValue> {
  const passing = new Map(fields(bdev).filter(([, node]) => node['x-effect'] === 'reload'));
  const defaults = [...passing].map(([key, node]) => [key, node.default as BdevValue] as const);
  return { ...Object.fromEntries(defaults), ...written(bdev, (key) => passing.has(key)) };
}

/** What the engine is to be told of what can be changed while it is open. */
export function engineChanges(bdev: BdevParameters): BdevParameters {
  const opening = new Set(
    fields(bdev).flatMap(([key, node]) => (node['x-opening'] === true ? [key] : [])),
  );
  const changes = Object.entries(passingParameters(bdev)).filter(([key]) => !opening.has(key));
  return engineParameters({ ...Object.fromEntries(changes), name: bdev.name, kind: bdev.kind });
}

function written(bdev: BdevParameters, isWanted: (key: string) => boolean) {
  const entries = Object.entries(bdev).filter(
    ([key, value]) => value !== undefined && isWanted(key),
  );
  return Object.fromEntries(entries) as Record<string, BdevValue>;
}

/** In the words of config.yaml: what was written. */
export function describeParameters(bdev: BdevParameters): Record<string, unknown> {
  const words = fields(bdev).flatMap(([key, node]) => {
    const value = bdev[key];
    return value === undefined ? [] : [[key, describeValue(value, node)] as const];
  });
  return { name: bdev.name, kind: bdev.kind, ...Object.fromEntries(words) };
}

function describeValue(value: BdevValue, node: SchemaNode): unknown {
  if (typeof value === 'bigint') return formatSize(value);
  if (isList(value)) return value.map((item) => describeValue(item, node.items ?? {}));
  const isMap = typeof value === 'object';
  const variant = node.anyOf?.find(({ type }) => (type === 'object') === isMap);
  const { format, properties = {} } = variant ?? node;
  if (isMap) {
    const words = Object.entries(value).map(
      ([key, item]) => [key, describeValue(item, properties[key] ?? {})] as const,
    );
    return Object.fromEntries(words);
  }
  if (typeof value !== 'number') return value;
  if (format === 'duration') return formatDuration(value);
  if (format === 'patience') return formatPatience(value);
  return format === 'probability' ? formatProbability(value) : value;
}

function isList(value: BdevValue): value is readonly BdevValue[] {
  return Array.isArray(value);
}

/** The configuration that would recreate a living bdev. */
export function describeBdev(
  description: BdevDescription,
  parameters: BdevParameters,
): Record<string, unknown> {
  return describeParameters({ ...parameters, ...foundFacts(description, parameters) });
}

/** What a living bdev is found to be, of the keys that its kind has. */
export function foundFacts(
  { blockCount, blockSize, readOnly, found: more }: BdevDescription,
  bdev: BdevParameters,
): Record<string, BdevValue> {
  const found: Readonly<Record<string, BdevValue>> = {
    ...more,
    size: blockCount * BigInt(blockSize),
    block_size: blockSize,
    read_only: readOnly,
  };
  const has = new Set(fields(bdev).map(([key]) => key));
  return Object.fromEntries(Object.entries(found).filter(([key]) => has.has(key)));
}
