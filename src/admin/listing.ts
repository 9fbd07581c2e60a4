/** Lists: a bounded window of all there is, sorted by one of the resource's fields. */

import Type, { type Static, type TSchema } from 'typebox';

const LIMIT_MAX = 1000;

/** The query of a list; `sort` is one of the names, `-` in front turns the order round. */
export function listQuery<const Fields extends readonly string[]>(fields: Fields) {
  return Type.Object(
    {
      limit: Type.Integer({ minimum: 1, maximum: LIMIT_MAX, default: 100 }),
      offset: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0 }),
      sort: Type.Unsafe<Fields[number] | `-${Fields[number]}`>({
        type: 'string',
        enum: fields.flatMap((field) => [field, `-${field}`]),
        default: fields[0],
      }),
    },
    { additionalProperties: false },
  );
}

export function listSchema<Item extends TSchema>(item: Item) {
  return Type.Object({
    items: Type.Array(item),
    total: Type.Integer({ description: 'How many there are in all.' }),
    limit: Type.Integer(),
    offset: Type.Integer(),
  });
}

type ListQuery = Static<ReturnType<typeof listQuery<readonly string[]>>>;

export function listed<Item extends object>(items: readonly Item[], query: ListQuery) {
  const { limit, offset, sort } = query;
  const field = sort.replace(/^-/, '');
  const direction = sort.startsWith('-') ? -1 : 1;
  const sorted = [...items].sort((left, right) =>
    compare(value(left, field), value(right, field), direction),
  );
  return { items: sorted.slice(offset, offset + limit), total: items.length, limit, offset };
}

function value(item: object, field: string): unknown {
  return (item as Record<string, unknown>)[field];
}

function compare(left: unknown, right: unknown, direction: 1 | -1): number {
  if (left === right) return 0;
  // What is missing goes last, in either direction.
  if (left === null || left === undefined) return 1;
  if (right === null || right === undefined) return -1;
  return left < right ? -direction : direction;
}
