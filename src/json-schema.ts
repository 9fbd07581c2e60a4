/**
 * Builders of JSON Schemas with static types.
 *
 * The types are TypeBox's. Its builders are not, for a schema of ours is a plain object, and to
 * load their several hundred modules would take a fifth of the time that the daemon needs to start.
 */

import type TypeBox from 'typebox';

export type { Static, TSchema } from 'typebox';

type Schema = Readonly<Record<string, unknown>>;

/** Those that need not be among an object's properties. */
const optional = new WeakSet<Schema>();

const builders = {
  Array: (items: Schema, options?: Schema) => ({ type: 'array', items, ...options }),
  Boolean: (options?: Schema) => ({ type: 'boolean', ...options }),
  Integer: (options?: Schema) => ({ type: 'integer', ...options }),
  Literal: (value: boolean | number | string, options?: Schema) => ({
    type: typeof value,
    const: value,
    ...options,
  }),
  Null: (options?: Schema) => ({ type: 'null', ...options }),
  Object: (properties: Readonly<Record<string, Schema>>, options?: Schema) => {
    const required = Object.entries(properties)
      .filter(([, property]) => !optional.has(property))
      .map(([name]) => name);
    return { type: 'object', ...(required.length > 0 && { required }), properties, ...options };
  },
  Optional: (schema: Schema) => {
    const copy = { ...schema };
    optional.add(copy);
    return copy;
  },
  Record: (_key: Schema, value: Schema, options?: Schema) => ({
    type: 'object',
    patternProperties: { '^.*$': value },
    ...options,
  }),
  String: (options?: Schema) => ({ type: 'string', ...options }),
  Union: (anyOf: readonly Schema[], options?: Schema) => ({ anyOf, ...options }),
  Unknown: (options?: Schema) => ({ ...options }),
  Unsafe: (schema: Schema) => ({ ...schema }),
};

/** Called as TypeBox's builders of the same names are. */
export const Type = builders as unknown as Pick<typeof TypeBox, keyof typeof builders>;
