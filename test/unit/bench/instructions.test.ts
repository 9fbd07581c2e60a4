import t from 'tap';
import { parseProfile } from '../../../bench/callgrind.js';
import type { Cost } from '../../../bench/callgrind.js';
import { findings, isCounted, shortName, sources } from '../../../bench/instructions.js';

function cost(name: string, file: string, instructions: number): Cost {
  return { object: '/x/build/Release/io_path_bench', function: name, file, instructions };
}

t.test('a profile gives each function its own instructions, by file', async (t) => {
  const profile = `# callgrind format
positions: line
events: Ir

ob=/x/io_path_bench
fl=/x/addon/nvmf/io_command.cc
fn=capsuled::nvmf::io_plan(int)
10 5
fi=/x/addon/base/bits.h
26 2
fe=/x/addon/nvmf/io_command.cc
11 3
cob=/lib/libc.so.6
cfi=memmove.S
cfn=memcpy
calls=7 0
11 7000
12 1

fn=walk(int)'2
20 4

fn=walk(int)
20 6

ob=/lib/libc.so.6
fl=memmove.S
fn=memcpy
1 7000
totals: 7021
`;
  const found = parseProfile(profile).map(
    (each) => `${each.object} ${each.function} ${each.file} ${each.instructions}`,
  );
  t.strictSame(found, [
    '/x/io_path_bench capsuled::nvmf::io_plan(int) /x/addon/nvmf/io_command.cc 9',
    '/x/io_path_bench capsuled::nvmf::io_plan(int) /x/addon/base/bits.h 2',
    '/x/io_path_bench walk(int) /x/addon/nvmf/io_command.cc 10',
    '/lib/libc.so.6 memcpy memmove.S 7000',
  ]);
});

t.test('only the engine is counted', async (t) => {
  t.ok(isCounted(cost('capsuled::nvmf::io_plan(int)', 'a', 1)));
  t.ok(isCounted(cost('capsuled::copy(memcpy)', 'a', 1)));
  t.notOk(isCounted(cost('capsuled::env::sim::SimRing::poll()', 'a', 1)));
  t.notOk(isCounted(cost('capsuled::transport::bench::BatchHost::take()', 'a', 1)));
  t.notOk(isCounted(cost('memcpy', 'a', 1)));
  t.notOk(isCounted(cost('operator new(unsigned long)', 'a', 1)));
  t.notOk(isCounted({ ...cost('__memcpy_avx', 'a', 1), object: '/lib/libc.so.6' }));
});

t.test('a budget is missed by more than 5 % in either direction', async (t) => {
  const budget = { instructions: 1000, allocations: 0 };
  t.strictSame(findings({ instructions: 1050, allocations: 0 }, budget), []);
  t.strictSame(findings({ instructions: 950, allocations: 0 }, budget), []);
  t.strictSame(findings({ instructions: 1051, allocations: 0 }, budget), [
    'expected 1000 instructions for each command, got 1051 (+5.1 %)',
  ]);
  t.strictSame(findings({ instructions: 900, allocations: 0.5 }, budget), [
    'expected 1000 instructions for each command, got 900 (-10.0 %)',
    'expected 0 allocations for each command, got 0.5',
  ]);
  t.strictSame(findings({ instructions: 1000, sends: 1 }, budget), [
    'allocations is not measured any more',
    'sends has no budget',
  ]);
  t.strictSame(findings({ instructions: 1000 }, undefined), ['has no budget']);
});

t.test('what is in line belongs to the function that has it, unless a layer owns it', async (t) => {
  const list = cost('capsuled::send()', '/x/build/../addon/base/intrusive_list.h', 30);
  const library = cost('capsuled::send()', '/usr/include/c++/12/bits/unique_ptr.h', 30);
  const own = cost('capsuled::send()', '/x/build/../addon/transport/connection_send.cc', 20);
  const writer = cost('capsuled::send()', '/x/build/../addon/transport/pdu_writer.h', 10);
  const crc = cost('capsuled::crc32c_update()', '/x/build/../addon/base/crc32c.cc', 5);
  const stray = cost('std::sort()', '/usr/include/c++/12/bits/stl_algo.h', 5);
  const all = [list, library, own, writer, crc, stray];
  t.strictSame(all.map(sources(all)), [
    'transport/connection_send',
    'transport/connection_send',
    'transport/connection_send',
    'transport/pdu_writer',
    'base/crc32c',
    'C++ library',
  ]);
});

t.test('names are short', async (t) => {
  const name = 'capsuled::transport::PduReader<capsuled::transport::Connection>::step(int, char)';
  t.equal(shortName(name), 'PduReader<Connection>::step');
  t.equal(shortName('capsuled::nvmf::(anonymous namespace)::count(int)'), 'nvmf::count');
});
