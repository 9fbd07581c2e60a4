/**
 * Encrypted RAM disks beside a bare one, interleaved, and what the cipher alone costs on the same
 * core in the same run.
 */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { benchCases } from '../cases.js';
import type { BdevKind, Daemon } from '../daemon.js';
import { type Figures, filledDaemon, own } from '../peers.js';
import { engineProgram, root, serverCore } from '../programs.js';
import { type Suite, median, printTable } from '../suite.js';

const kinds = [
  { kind: 'malloc', keyBits: 0, sectorBytes: 0 },
  { kind: 'crypto-128', keyBits: 128, sectorBytes: 512 },
  { kind: 'crypto-128-4k', keyBits: 128, sectorBytes: 4096 },
  { kind: 'crypto-256', keyBits: 256, sectorBytes: 512 },
  { kind: 'crypto-256-4k', keyBits: 256, sectorBytes: 4096 },
] as const satisfies readonly { kind: BdevKind; keyBits: number; sectorBytes: number }[];

const names = ['read-4k-qd32-q1', 'write-4k-qd32-q1', 'read-128k-qd8-q1', 'write-128k-qd8-q1'];

/** What bench/cipher_speed.cc prints. */
interface CipherFigure {
  readonly key_bits: number;
  readonly sector_bytes: number;
  readonly bytes: number;
  readonly way: 'decrypt' | 'encrypt';
  readonly ns: number;
}

async function cipherFigures(seconds: number): Promise<CipherFigure[]> {
  const output = await engineProgram('cipher_speed', [serverCore, seconds]).output();
  return JSON.parse(output) as CipherFigure[];
}

export const crypto: Suite = {
  name: 'crypto',
  help: 'encrypted RAM disks beside a bare one, and the cipher alone',
  defaults: { repetitions: 9, seconds: 0.6 },
  async run({ directory, repetitions, seconds }) {
    const make = ['-s', '-C', join(root, 'build'), 'cipher_speed'];
    execFileSync('make', make, { stdio: 'inherit' });
    const loads = benchCases.filter(({ name }) => names.includes(name));
    const daemons = new Map<BdevKind, Daemon>();
    const measured = new Map<string, Figures[]>();
    const cipher: CipherFigure[] = [];
    try {
      for (const { kind } of kinds) daemons.set(kind, await filledDaemon({ kind, directory }));
      for (let repetition = 0; repetition < repetitions; repetition++) {
        cipher.push(...(await cipherFigures(seconds / 8)));
        for (const load of loads) {
          for (const [kind, daemon] of daemons) {
            const key = `${load.name} ${kind}`;
            const figures = await own(kind, daemon).run(load, seconds);
            measured.set(key, [...(measured.get(key) ?? []), figures]);
          }
        }
      }
    } finally {
      for (const daemon of daemons.values()) await daemon.stop();
    }
    const rows = loads.flatMap((load) =>
      kinds.map(({ kind, keyBits, sectorBytes }) => {
        const of = (figure: (figures: Figures) => number, which: BdevKind = kind): number =>
          median((measured.get(`${load.name} ${which}`) ?? []).map(figure));
        const way = load.readPercent === 100 ? 'decrypt' : 'encrypt';
        const alone = cipher.filter(
          (one) =>
            one.key_bits === keyBits &&
            one.sector_bytes === sectorBytes &&
            one.bytes === load.bytes &&
            one.way === way,
        );
        const cipherUs = sectorBytes === 0 ? 0 : median(alone.map(({ ns }) => ns)) / 1000;
        const cost = (figures: Figures): number => figures.target_us_per_io ?? Number.NaN;
        const bareUs = of(cost, 'malloc');
        return {
          load: load.name,
          bdev: kind,
          iops: of(({ iops }) => iops),
          to_bare: of(({ iops }) => iops) / of(({ iops }) => iops, 'malloc'),
          target_us_per_io: of(cost),
          more_us_per_io: of(cost) - bareUs,
          cipher_us_per_io: cipherUs,
          // Of a layer that costs nothing besides its cipher.
          to_bare_at_most: bareUs / (bareUs + cipherUs),
        };
      }),
    );
    printTable([
      ['load', 'bdev', 'IOPS', 'GiB/s', 'to bare', 'at most', 'target µs', 'more', 'cipher µs'],
      ...rows.map((row) => [
        row.load,
        row.bdev,
        row.iops.toFixed(0),
        ((row.iops * (loads.find(({ name }) => name === row.load)?.bytes ?? 0)) / 2 ** 30).toFixed(
          2,
        ),
        row.to_bare.toFixed(2),
        row.to_bare_at_most.toFixed(2),
        row.target_us_per_io.toFixed(2),
        row.more_us_per_io.toFixed(2),
        row.cipher_us_per_io.toFixed(2),
      ]),
    ]);
    return { rows, cipher };
  },
};
