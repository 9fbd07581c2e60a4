/**
 * Builders for the fields of the configuration schema. Each field says what it is, its unit,
 * default and range, and when a change takes effect; the reader, the JSON Schema and the reference
 * page all work from that.
 *
 * The static type of a field is what the reader makes of it (bytes as bigint, times as
 * nanoseconds), not what is written in the file.
 */

import { Type } from '../json-schema.js';
import type { HostPort } from './formats.js';

/** When a changed value begins to count. */
export type Effect = 'restart' | 'reload' | 'new';

export interface FieldOptions {
  readonly description: string;
  readonly effect: Effect;
  /**
   * As written in the file. A field without a default must be given, unless it is wrapped in
   * Type.Optional.
   */
  readonly default?: unknown;
  readonly unit?: string;
  /** For sizes and times: written like the value. */
  readonly least?: string;
  readonly most?: string;
  /** A bdev: the file that its content is in. */
  readonly content?: true;
  /** A bdev: the name of one that it stands on, and of how much of that. */
  readonly base?: 'all' | 'range';
  /** A bdev: the engine is not told. */
  readonly control?: true;
  /** A bdev: it counts only when it is opened. */
  readonly opening?: true;
}

function keywords(options: FieldOptions): Record<string, unknown> {
  return {
    description: options.description,
    'x-effect': options.effect,
    ...(options.default === undefined ? {} : { default: options.default }),
    ...(options.unit === undefined ? {} : { 'x-unit': options.unit }),
    ...(options.least === undefined ? {} : { 'x-least': options.least }),
    ...(options.most === undefined ? {} : { 'x-most': options.most }),
    ...(options.content === undefined ? {} : { 'x-content': options.content }),
    ...(options.base === undefined ? {} : { 'x-base': options.base }),
    ...(options.opening === undefined ? {} : { 'x-opening': options.opening }),
    ...(options.control === undefined ? {} : { 'x-control': options.control }),
  };
}

export function size(options: FieldOptions) {
  return Type.Unsafe<bigint>({
    type: ['integer', 'string'],
    format: 'size',
    'x-unit': 'bytes',
    ...keywords(options),
  });
}

export function blockSize(options: FieldOptions) {
  return Type.Unsafe<number>({
    type: ['integer', 'string'],
    format: 'block_size',
    'x-unit': 'bytes',
    ...keywords(options),
  });
}

export function duration(options: FieldOptions) {
  return Type.Unsafe<number>({
    type: 'string',
    format: 'duration',
    'x-unit': 'time',
    ...keywords(options),
  });
}

/** A time that may have no end: `NEVER`. */
export function patience(options: FieldOptions) {
  return Type.Unsafe<number>({
    type: 'string',
    format: 'patience',
    'x-unit': 'time',
    ...keywords(options),
  });
}

export function text(format: string, options: FieldOptions) {
  return Type.Unsafe<string>({ type: 'string', format, ...keywords(options) });
}

export function nullableText(format: string, options: FieldOptions) {
  return Type.Unsafe<string | null>({ type: ['string', 'null'], format, ...keywords(options) });
}

export function hostPort(options: FieldOptions) {
  return Type.Unsafe<HostPort>({ type: 'string', format: 'host_port', ...keywords(options) });
}

/** Parts of a billion. */
export function probability(options: FieldOptions) {
  return Type.Unsafe<number>({
    type: ['number', 'string'],
    format: 'probability',
    ...keywords(options),
  });
}

export function integer(minimum: number, maximum: number, options: FieldOptions) {
  return Type.Unsafe<number>({ type: 'integer', minimum, maximum, ...keywords(options) });
}

export function flag(options: FieldOptions) {
  return Type.Unsafe<boolean>({ type: 'boolean', ...keywords(options) });
}

export function choice<const Choices extends readonly string[]>(
  choices: Choices,
  options: FieldOptions,
) {
  return Type.Unsafe<Choices[number]>({
    type: 'string',
    enum: choices,
    ...keywords(options),
  });
}

/** Options of a map: what it is, and the keys that a later version will know. */
export function section(description: string, later: readonly string[] = []) {
  return {
    additionalProperties: false,
    description,
    ...(later.length === 0 ? {} : { 'x-later': later }),
  };
}

/** Options of a list. */
export function list(options: FieldOptions): Record<string, unknown> {
  return keywords(options);
}
