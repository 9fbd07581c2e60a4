/** `error`: another bdev that fails as it is told to. */

import { Type } from '../json-schema.js';
import { choice, integer, list, probability, section } from '../config/schema-fields.js';
import type { BdevValue } from '../engine/engine-types.js';
import { baseField, nameField } from './fields.js';
import type { BdevKind } from './kind.js';

const changing = ['write', 'unmap', 'write_zeroes'];
const operations = ['read', 'write', 'flush', 'unmap', 'write_zeroes', 'compare'];

/** By the name of a status: the operations that can end so, as the engine has it. */
const statuses = {
  internal_error: operations,
  unrecovered_read: ['read', 'compare'],
  write_fault: [...changing, 'flush'],
  capacity_exceeded: changing,
  write_protected: changing,
  compare_failure: ['compare'],
  not_ready: operations,
};

/** By action: the operations that it can strike. */
const actions = {
  status: operations,
  hang: operations,
  corrupt: ['read', 'write'],
  torn: changing,
};

const faultSchema = Type.Object(
  {
    op: choice([...operations, 'all'], { description: 'What it strikes.', effect: 'reload' }),
    blocks: Type.Optional(
      Type.Unsafe<readonly number[]>({
        type: 'array',
        description:
          'The first block and the last one: operations strike that have one of these. Default: all.',
        'x-effect': 'reload',
        minItems: 2,
        maxItems: 2,
        items: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
      }),
    ),
    action: choice(['status', 'hang', 'corrupt', 'torn'], {
      description:
        '`status`: it ends with a status. `hang`: it does not end before the fault is gone. `corrupt`: one byte is ' +
        'wrong, with success. `torn`: the first half of its blocks is written, with success.',
      effect: 'reload',
      default: 'status',
    }),
    status: Type.Optional(
      choice(Object.keys(statuses), {
        description: 'For `status`: what it ends with. Default: internal_error.',
        effect: 'reload',
      }),
    ),
    probability: Type.Optional(
      probability({
        description: 'Of each operation that it could strike. Default: 1.',
        effect: 'reload',
      }),
    ),
    count: Type.Optional(
      integer(1, Number.MAX_SAFE_INTEGER, {
        description: 'How often it strikes at most, since the list was changed. Default: always.',
        effect: 'reload',
      }),
    ),
  },
  section('A fault. The first of the list that strikes an operation has it.'),
);

const schema = Type.Object(
  {
    name: nameField,
    kind: Type.Literal('error', {
      description: 'Another bdev that fails as it is told to.',
      'x-effect': 'new',
      'x-also': ['fault', 'faulty', 'flaky', 'dust', 'dm_flakey', 'dm_dust', 'dm_error'],
    }),
    base: baseField('all', { description: 'Name of the bdev that is to fail.', effect: 'new' }),
    faults: Type.Array(
      faultSchema,
      list({ description: 'What goes wrong.', effect: 'reload', default: [] }),
    ),
    seed: integer(0, Number.MAX_SAFE_INTEGER, {
      description: 'Of the generator of chance: the same one gives the same faults.',
      effect: 'new',
      default: 0,
    }),
  },
  section('Another bdev that fails, for trying what hosts and file systems make of it.'),
);

export const error: BdevKind = {
  schema,
  isVolatile: false,
  check: ({ faults }, path, reader) => {
    if (!Array.isArray(faults)) return;
    (faults as readonly (Readonly<Record<string, BdevValue>> | undefined)[]).forEach(
      (fault, index) => {
        if (fault === undefined) return;
        const { op, action, status, blocks } = fault;
        const at = `${path}.faults[${String(index)}]`;
        const struck = op === 'all' ? operations : [op];
        const refuse = (key: string, value: string, possible: readonly string[] = operations) => {
          if (struck.every((each) => typeof each === 'string' && possible.includes(each))) return;
          const words = possible.length === 1 ? possible[0] : `one of ${possible.join(', ')}`;
          reader.error(`${at}.op`, `expected ${words ?? ''}, because "${key}" is ${value}`);
        };
        if (typeof op !== 'string' || typeof action !== 'string') return;
        refuse('action', action, actions[action as keyof typeof actions]);
        if (typeof status === 'string') {
          if (action !== 'status') {
            reader.error(`${at}.status`, `expected nothing, because "action" is ${action}`);
          } else refuse('status', status, statuses[status as keyof typeof statuses]);
        }
        if (Array.isArray(blocks) && Number(blocks[0]) > Number(blocks[1])) {
          reader.error(`${at}.blocks`, 'expected the first block before the last one');
        }
      },
    );
  },
};
