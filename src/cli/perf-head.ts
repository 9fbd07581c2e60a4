/** What a run of `capsuled perf` was against, for its report. */

import { describeParameters } from '../bdev/kinds.js';
import type { LoadReport, LoadTarget } from '../engine/load-types.js';
import { printable } from '../printable.js';

type Found = Pick<LoadReport, 'blockBytes' | 'blockCount' | 'model' | 'serial' | 'firmware'>;

/** `nqn.…:disk0, namespace 1: capsuled, serial 123, firmware 0.1.0, 64MiB in blocks of 512` */
export function headLine(target: LoadTarget, found: Found): string {
  const facts = [
    printable(found.model),
    found.serial === '' ? '' : `serial ${printable(found.serial)}`,
    found.firmware === '' ? '' : `firmware ${printable(found.firmware)}`,
    `${sizeWords(bytesOf(found))} in blocks of ${String(found.blockBytes)}`,
  ];
  return `${nameOf(target)}: ${facts.filter((fact) => fact !== '').join(', ')}`;
}

/** The same for scripts; null: the target was never ready. */
export function targetFacts(target: LoadTarget, found: Found): object {
  const isKnown = found.blockCount > 0n;
  const of = <T>(value: T): T | null => (isKnown ? value : null);
  return {
    ...given(target),
    ...(target.type === 'bdev'
      ? {}
      : { model: of(found.model), serial: of(found.serial), firmware: of(found.firmware) }),
    block_size: of(found.blockBytes),
    size: of(Number(bytesOf(found))),
  };
}

function given(target: LoadTarget): object {
  switch (target.type) {
    case 'tcp': {
      const { type, address, port, subnqn, nsid } = target;
      return { type, address, port, subnqn, nsid };
    }
    case 'pcie':
      return target;
    case 'bdev':
      return { type: target.type, bdevs: target.bdevs.map(describeParameters).reverse() };
  }
}

function nameOf(target: LoadTarget): string {
  switch (target.type) {
    case 'tcp':
      return `${printable(target.subnqn)}, namespace ${String(target.nsid)}`;
    case 'pcie':
      return `${target.address}, namespace ${String(target.nsid)}`;
    case 'bdev': {
      const kinds = target.bdevs.map(({ kind }) => kind).reverse();
      return `bdev ${kinds.join(' on ')}`;
    }
  }
}

function bytesOf({ blockBytes, blockCount }: Found): bigint {
  return blockCount * BigInt(blockBytes);
}

/** In the largest unit that it has at least one of: `64MiB`, `953.9GiB`. */
function sizeWords(bytes: bigint): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = Number(bytes);
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${String(Math.round(value * 10) / 10)}${units[unit] ?? ''}`;
}
