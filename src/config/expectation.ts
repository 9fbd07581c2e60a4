/** What a field takes, in the words of an error message. */

import { NEVER, parseDuration } from './duration.js';
import { FORMATS } from './formats.js';
import type { SchemaNode } from './schema-node.js';
import { parseSize } from './size.js';

/** Completes "expected …". */
export function expectation(schema: SchemaNode): string {
  if (schema.format !== undefined) {
    const expected = FORMATS[schema.format]?.expected ?? schema.format;
    return Array.isArray(schema.type) && schema.type.includes('null')
      ? `${expected}, or null`
      : expected;
  }
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) {
    return schema.enum.length === 1 ? (schema.enum[0] ?? '') : `one of ${schema.enum.join(', ')}`;
  }
  if (schema.anyOf !== undefined) return schema.anyOf.map(expectation).join(', or ');
  switch (schema.type) {
    case 'object':
      return 'a map';
    case 'array':
      return listExpectation(schema);
    case 'boolean':
      return 'true or false';
    case 'integer':
      return integerExpectation(schema);
    default:
      return 'a value';
  }
}

function integerExpectation({ minimum, maximum }: SchemaNode): string {
  if (minimum === undefined || maximum === undefined) return 'an integer';
  if (minimum === maximum) return String(minimum);
  return `an integer from ${String(minimum)} to ${String(maximum)}`;
}

function listExpectation({ minItems, maxItems, items }: SchemaNode): string {
  const of = items?.type === 'integer' ? ' of integers' : '';
  if (minItems !== undefined && minItems === maxItems) {
    return `a list of ${String(minItems)} integers`;
  }
  return `a list${of}`;
}

/** The range that a size or time is out of, in words; undefined when it is in range. */
export function outOfRange(schema: SchemaNode, value: unknown): string | undefined {
  if (schema.format === 'patience' && value === NEVER) return undefined;
  const least = schema['x-least'];
  const most = schema['x-most'];
  const parse = typeof value === 'bigint' ? parseSize : parseDuration;
  const tooSmall = least !== undefined && (value as number) < (parse(least) ?? 0);
  const tooLarge = most !== undefined && (value as number) > (parse(most) ?? 0);
  if (!tooSmall && !tooLarge) return undefined;
  const what = typeof value === 'bigint' ? 'a size' : 'a time';
  return `${what} from ${least ?? '0'} to ${most ?? 'any'}`;
}
