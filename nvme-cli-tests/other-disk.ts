/**
 * A disk image that is told from every other at each byte, and shows each write. A guest makes the
 * same with `yes "$words" | head -c SIZE`.
 */
import { readFileSync, writeFileSync } from 'node:fs';

export const words = 'this is the other disk';
export const size = 64 << 20;

const bytes = Buffer.alloc(size, `${words}\n`);

export function writeOtherDisk(path: string): void {
  writeFileSync(path, bytes);
}

/** Throws unless all is as {@link writeOtherDisk} left it. */
export function checkOtherDisk(path: string): void {
  const now = readFileSync(path);
  if (now.equals(bytes)) return;
  const first = now.findIndex((byte, index) => byte !== bytes[index]);
  throw new Error(`${path} was written to, first at byte ${String(first)}`);
}

/** Throws unless one of the lines has all of the parts. */
export function expectLine(lines: readonly string[], ...parts: string[]): void {
  if (lines.some((line) => parts.every((part) => line.includes(part)))) return;
  throw new Error(`expected a line with ${parts.join(' and ')}, got:\n${lines.join('\n')}`);
}
