// Golden vectors: bytes that were written down by hand from the specifications, decoded and encoded
// by the generated views. The same file is checked in C++ by addon/wire/golden_test.cc.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

import { structs } from '../../src/wire/layout.gen.js';

interface GoldenVector {
  name: string;
  struct: string;
  hex: string;
  fields: Record<string, string | number>;
  source: string;
}

const vectors = JSON.parse(
  readFileSync(path.resolve('test/wire/golden.json'), 'utf8'),
) as GoldenVector[];

/** "0102 00x6" is 01 02 and six times 00. */
function readHex(text: string): Buffer {
  return Buffer.concat(
    text.split(' ').map((token) => {
      const [byte, count] = token.split('x');
      const bytes = Buffer.from(byte ?? '', 'hex');
      return count === undefined ? bytes : Buffer.alloc(Number(count), bytes);
    }),
  );
}

function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

type View = Record<string, unknown> & { buffer: Buffer };

interface Place {
  view: View;
  name: string;
  index: number | undefined;
}

/** "common.plen" or "lbaf[3].lbads" in a view. */
function findPlace(root: View, fieldPath: string): Place {
  let view = root;
  const steps = fieldPath.split('.').map((step) => {
    const [, name = '', index] = /^(\w+)(?:\[(\d+)\])?$/.exec(step) ?? [];
    return { name: camelCase(name), index: index === undefined ? undefined : Number(index) };
  });
  const last = steps.pop();
  if (last === undefined) throw new Error(`expected a field path, got '${fieldPath}'`);
  for (const step of steps) view = get({ view, ...step }) as View;
  return { view, ...last };
}

function get({ view, name, index }: Place): unknown {
  if (index === undefined) return view[name];
  return (view[name] as (index: number) => unknown).call(view, index);
}

function set({ view, name, index }: Place, value: unknown): void {
  if (index === undefined) {
    view[name] = value;
    return;
  }
  const setter = `set${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  (view[setter] as (index: number, value: unknown) => void).call(view, index, value);
}

/** The golden value in the type that the view has. */
function like(sample: unknown, value: string | number): unknown {
  if (typeof sample === 'bigint') return BigInt(value);
  if (Buffer.isBuffer(sample)) return Buffer.from(String(value), 'hex');
  return value;
}

for (const vector of vectors) {
  void t.test(`${vector.name} (${vector.struct})`, (t) => {
    const Struct = structs[vector.struct as keyof typeof structs];
    const bytes = readHex(vector.hex);
    t.equal(bytes.length, Struct.size, 'the vector has the size of the structure');

    const decoded = new Struct(bytes) as unknown as View;
    const encoded = Struct.alloc() as unknown as View;
    for (const [fieldPath, value] of Object.entries(vector.fields)) {
      const actual = get(findPlace(decoded, fieldPath));
      const expected = like(actual, value);
      t.strictSame(actual, expected, `${fieldPath} decodes`);
      set(findPlace(encoded, fieldPath), expected);
    }
    t.equal(
      encoded.buffer.toString('hex'),
      bytes.toString('hex'),
      'the fields encode to the bytes',
    );
    t.end();
  });
}

void t.test('every structure has a golden vector', (t) => {
  t.strictSame(
    Object.keys(structs).filter((name) => !vectors.some((vector) => vector.struct === name)),
    [],
  );
  t.end();
});
