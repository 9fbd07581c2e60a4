import t from 'tap';
import TypeBox from 'typebox';

import { Type } from '../../src/json-schema.js';

type Builders = typeof Type;

const examples: Record<keyof Builders, (type: Builders) => unknown> = {
  Array: (type) => [type.Array(type.String()), type.Array(type.Integer(), { maxItems: 2 })],
  Boolean: (type) => [type.Boolean(), type.Boolean({ default: true })],
  Integer: (type) => [type.Integer(), type.Integer({ minimum: 1, maximum: 5 })],
  Literal: (type) => [type.Literal('tcp'), type.Literal(7, { description: 'x' })],
  Null: (type) => type.Null({ description: 'none' }),
  Object: (type) => [
    type.Object({}),
    type.Object({ a: type.String(), b: type.Optional(type.Integer()) }),
    type.Object({ a: type.Optional(type.Null()) }, { additionalProperties: false }),
    type.Object({ inner: type.Object({ c: type.Boolean() }, { description: 'inner' }) }),
  ],
  Optional: (type) => type.Optional(type.String({ format: 'nqn' })),
  Record: (type) => type.Record(type.String(), type.Unknown(), { description: 'any keys' }),
  String: (type) => [type.String(), type.String({ minLength: 1 })],
  Union: (type) => type.Union([type.String(), type.Null()], { description: 'or none' }),
  Unknown: (type) => [type.Unknown(), type.Unknown({ description: 'anything' })],
  Unsafe: (type) => type.Unsafe<bigint>({ type: ['integer', 'string'], format: 'size' }),
};

for (const [name, example] of Object.entries(examples)) {
  t.test(`${name} builds what TypeBox's builder builds`, async (t) => {
    t.equal(JSON.stringify(example(Type)), JSON.stringify(example(TypeBox)));
  });
}

t.test('a schema made optional is another one', async (t) => {
  const schema = Type.String();
  t.same(Object.keys(Type.Object({ a: Type.Optional(schema), b: schema })), [
    'type',
    'required',
    'properties',
  ]);
  t.same(Type.Object({ a: Type.Optional(schema), b: schema }).required, ['b']);
});
