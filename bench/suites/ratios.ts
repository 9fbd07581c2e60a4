/**
 * The target over its bdevs, and any other target, beside the bare limit of loopback TCP: in one
 * run, interleaved, each figure as a ratio to the limit's.
 */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { benchCases } from '../cases.js';
import type { BenchCase } from '../cases.js';
import { bdevKinds } from '../daemon.js';
import type { BdevKind, Daemon } from '../daemon.js';
import { type Figures, type Peer, filledDaemon, limit, other, own } from '../peers.js';
import { root } from '../programs.js';
import { type Row, header, rowText, summarise } from '../report.js';
import type { Suite, SuiteOptions } from '../suite.js';

/** Every repetition of a case goes through all peers before the next one begins. */
async function measure(load: BenchCase, peers: readonly Peer[], options: SuiteOptions) {
  const figures = new Map<string, Figures[]>(peers.map(({ name }) => [name, []]));
  for (let repetition = 0; repetition < options.repetitions; repetition += 1) {
    for (const peer of peers) {
      figures.get(peer.name)?.push(await peer.run(load, options.seconds));
    }
  }
  const bare = figures.get(limit.name) ?? [];
  return peers.map(({ name }) => summarise(load, name, figures.get(name) ?? [], bare));
}

function kindsOf(peers: string): BdevKind[] {
  const names = peers.split(',').filter((name) => name !== '');
  const wrong = names.find((name) => !(bdevKinds as readonly string[]).includes(name));
  if (wrong !== undefined) {
    throw new Error(`expected --peers of ${bdevKinds.join(', ')}, got "${wrong}"`);
  }
  return names as BdevKind[];
}

export const ratios: Suite = {
  name: 'ratios',
  help: 'IOPS, latency and cost of each I/O, as ratios to bare loopback TCP',
  defaults: { repetitions: 15, seconds: 0.4 },
  async run(options) {
    const cases = benchCases.filter(({ name }) => new RegExp(options.cases).test(name));
    if (cases.length === 0) throw new Error(`no case matches ${options.cases}`);
    const kinds = kindsOf(options.peers);
    const make = ['-s', '-C', join(root, 'build'), 'limit_server', 'limit_client'];
    execFileSync('make', make, { stdio: 'inherit' });
    const daemons = new Map<BdevKind, Daemon>();
    const rows: Row[] = [];
    try {
      for (const kind of kinds) {
        daemons.set(kind, await filledDaemon({ kind, directory: options.directory }));
      }
      const peers = [...daemons].map(([kind, daemon]) => own(kind, daemon));
      const others = options.against.map((address) => other(address, options.againstPid));
      console.log(header);
      for (const load of cases) {
        const measured = await measure(load, [limit, ...peers, ...others], options);
        for (const row of measured) console.log(rowText(row));
        rows.push(...measured);
      }
    } finally {
      for (const daemon of daemons.values()) await daemon.stop();
    }
    return rows;
  },
};
