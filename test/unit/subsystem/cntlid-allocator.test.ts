import t from 'tap';

import { CntlidAllocator } from '../../../src/subsystem/cntlid-allocator.js';

t.test('identifiers go round, past those in use', async (t) => {
  const allocator = new CntlidAllocator([3, 6]);
  const used = new Set<number>();
  t.equal(allocator.allocate(used), 3);
  t.equal(allocator.allocate(used), 4, 'not 3 again, though it is free');
  used.add(5);
  t.equal(allocator.allocate(used), 6);
  t.equal(allocator.allocate(used), 3);
});

t.test('when all are in use there is none; when one is free it is found', async (t) => {
  const allocator = new CntlidAllocator([3, 6]);
  const used = new Set([3, 4, 5, 6]);
  t.equal(allocator.allocate(used), null);
  used.delete(5);
  t.equal(allocator.allocate(used), 5);
});

t.test('a range may have one member', async (t) => {
  const allocator = new CntlidAllocator([9, 9]);
  t.equal(allocator.allocate(new Set()), 9);
  t.equal(allocator.allocate(new Set([9])), null);
});
