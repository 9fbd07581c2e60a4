/** Where a command writes. Tests put their own in. */

import { isatty } from 'node:tty';

export interface Terminal {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Of standard output. */
  readonly isTTY: boolean;
  /** A terminal, and the user did not say NO_COLOR. */
  readonly color: boolean;
}

const STANDARD_OUTPUT = 1;

export const processTerminal: Terminal = {
  out: (text) => {
    process.stdout.write(text);
  },
  error: (text) => {
    process.stderr.write(text);
  },
  // Not `process.stdout.isTTY`: that makes a stream, which makes a pipe O_NONBLOCK for all who
  // share it, and the daemon's log is written by none of Node's streams.
  get isTTY() {
    return isatty(STANDARD_OUTPUT);
  },
  get color() {
    return isatty(STANDARD_OUTPUT) && (process.env['NO_COLOR'] ?? '') === '';
  },
};

export function red(text: string, terminal: Terminal): string {
  return terminal.color ? `\u001b[31m${text}\u001b[39m` : text;
}

export function green(text: string, terminal: Terminal): string {
  return terminal.color ? `\u001b[32m${text}\u001b[39m` : text;
}

export function yellow(text: string, terminal: Terminal): string {
  return terminal.color ? `\u001b[33m${text}\u001b[39m` : text;
}

export function bold(text: string, terminal: Terminal): string {
  return terminal.color ? `\u001b[1m${text}\u001b[22m` : text;
}
