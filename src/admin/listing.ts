/** Lists: a bounded window of all there is, sorted by one of the resource's fields. */

import type { FastifyInstance } from 'fastify';
import { type Static, type TSchema, Type } from '../json-schema.js';
import { problemResponses } from './problem.js';
import type { ResourcePlugin } from './sources.js';

const LIMIT_MAX = 1000;

interface List<Item extends TSchema, Params extends TSchema> {
  readonly summary: string;
  readonly item: Item;
  /** The fields to sort by; the first is taken unless the query names one. */
  readonly sortBy: readonly (keyof Static<Item> & string)[];
  readonly params?: Params;
  readonly items: (params: Static<Params>) => MaybePromise<readonly (Static<Item> & object)[]>;
}

type MaybePromise<T> = T | Promise<T>;

/** A GET route that answers a list. */
export function listRoute<Item extends TSchema, Params extends TSchema = TSchema>(
  app: Parameters<ResourcePlugin>[0],
  path: string,
  { summary, item, sortBy, params, items }: List<Item, Params>,
): void {
  // The type provider cannot follow a schema that is a type parameter.
  (app as unknown as FastifyInstance).get(
    path,
    {
      schema: {
        summary,
        ...(params === undefined ? {} : { params }),
        querystring: listQuery(sortBy),
        response: { 200: listSchema(item), ...problemResponses },
      },
    },
    async (request) =>
      listed(await items(request.params as Static<Params>), request.query as ListQuery),
  );
}

/** The query of a list; `sort` is one of the names, `-` in front turns the order round. */
function listQuery(fields: readonly string[]) {
  return Type.Object(
    {
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMIT_MAX, default: 100 })),
      offset: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0 })),
      sort: Type.Optional(
        Type.Unsafe<string>({
          type: 'string',
          enum: fields.flatMap((field) => [field, `-${field}`]),
          default: fields[0],
        }),
      ),
    },
    { additionalProperties: false },
  );
}

function listSchema<Item extends TSchema>(item: Item) {
  return Type.Object({
    items: Type.Array(item),
    total: Type.Integer({ description: 'How many there are in all.' }),
    limit: Type.Integer(),
    offset: Type.Integer(),
  });
}

/** The validator fills in the defaults. */
type ListQuery = Required<Static<ReturnType<typeof listQuery>>>;

function listed<Item extends object>(items: readonly Item[], query: ListQuery) {
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
