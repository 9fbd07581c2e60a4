/**
 * Lines to a file descriptor, by a thread of the addon that may be held up without holding up
 * anyone else. Neither a worker thread nor the thread pool of Node will do: a process ends only
 * when those have, which a write that waits for its reader may never do.
 */

import { getSystemErrorMap } from 'node:util';
import { loadAddon, targetError } from './addon.js';

/** See addon/env/linux/line_writer.h. */
export interface LineWriter {
  /** Never waits. False: there is no room, and the line is lost. */
  write(line: string): boolean;
  /** Waits until all is written, a write fails or the time is over; whether all is written. */
  flush(timeoutMs: number): boolean;
  status(): LineWriterStatus;
}

export interface LineWriterStatus {
  /** Of lines that are not yet written, with something for each line. */
  readonly pendingBytes: number;
  /** Why the last write failed, in the words of the system; absent if it did not. */
  readonly failure?: string;
}

interface NativeLineWriter {
  write(line: string): boolean;
  flush(timeoutMs: number): boolean;
  status(): { pendingBytes: number; errno: number };
}

type NativeLineWriterClass = new (fd: number, bytesMax: number) => NativeLineWriter;

/** `bytesMax`: of lines that are not yet written. */
export function startLineWriter(fd: number, bytesMax: number): LineWriter {
  const NativeLineWriter = loadAddon()['NativeLineWriter'] as NativeLineWriterClass;
  const native = startNative(NativeLineWriter, fd, bytesMax);
  return {
    write: (line) => native.write(line),
    flush: (timeoutMs) => native.flush(timeoutMs),
    status: () => {
      const { pendingBytes, errno } = native.status();
      return errno === 0 ? { pendingBytes } : { pendingBytes, failure: systemWords(errno) };
    },
  };
}

function startNative(
  NativeLineWriter: NativeLineWriterClass,
  fd: number,
  bytesMax: number,
): NativeLineWriter {
  try {
    return new NativeLineWriter(fd, bytesMax);
  } catch (thrown) {
    throw targetError(thrown, 'platform_unsupported');
  }
}

function systemWords(errno: number): string {
  const [code, words] = getSystemErrorMap().get(-errno) ?? [`error ${errno}`, 'unknown'];
  return `${words} (${code})`;
}
