/**
 * Reads a YAML document against the schema: values with their defaults out, issues with line and
 * column in.
 *
 * Everything wrong is collected; what could not be read is missing from the result, so that the
 * checks behind this one (checks.ts) can still say what else is wrong. The place of every key is
 * kept for them.
 */

import {
  type Alias,
  type Document,
  type LineCounter,
  type Node,
  type YAMLMap,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  visit,
} from 'yaml';
import { FORMATS } from './formats.js';
import type { ConfigurationIssue } from './issue.js';
import { nearest } from './nearest.js';
import { printable } from '../printable.js';
import { isDecimal, notationHint } from './number-notation.js';
import { expectation, outOfRange } from './expectation.js';
import type { SchemaNode } from './schema-node.js';

/** What YAML 1.1 and other formats take for true and false. */
const FLAG_WORDS: ReadonlyMap<string, string> = new Map([
  ['yes', 'true'],
  ['on', 'true'],
  ['no', 'false'],
  ['off', 'false'],
]);

const UNQUOTE = 'write it without quotes';

/** Instead of the value of a key that is there under another name. */
const MISSPELT = Symbol('misspelt');

export class Reader {
  readonly issues: ConfigurationIssue[] = [];
  readonly #offsets = new Map<string, number>();

  readonly #anchored: ReadonlyMap<Alias, Node>;

  constructor(
    private readonly file: string,
    private readonly document: Document,
    private readonly lines: LineCounter,
  ) {
    this.#anchored = anchoredNodes(document);
  }

  /** The value at `path`, or undefined with an issue. */
  read(node: unknown, schema: SchemaNode, path: string): unknown {
    const resolved = isAlias(node) ? this.#anchored.get(node) : (node as Node | null);
    this.#place(path, node as Node | null);
    if (resolved === undefined) return this.#wrong(path, node, schema);
    if (schema['x-discriminator'] !== undefined) return this.#readVariant(resolved, schema, path);
    if (schema.anyOf !== undefined) return this.#readAny(resolved, schema, path);
    if (schema.type === 'object') return this.#readMap(resolved, schema, path);
    if (schema.type === 'array') return this.#readList(resolved, schema, path);
    return this.#readScalar(resolved, schema, path);
  }

  /** Returns undefined, for a reader that gives up on a value. */
  error(path: string, message: string): unknown {
    this.#issue('error', path, message);
    return undefined;
  }

  warn(path: string, message: string): void {
    this.#issue('warning', path, message);
  }

  /** Whether the file has something there, be it wrong. */
  has(path: string): boolean {
    return this.#offsets.has(path);
  }

  /** The line of a key, for messages that name a second place. */
  line(path: string): number {
    return this.lines.linePos(this.#offset(path)).line;
  }

  #issue(severity: 'error' | 'warning', path: string, message: string): void {
    const { line, col } = this.lines.linePos(this.#offset(path));
    this.issues.push({ severity, file: this.file, line, column: col, path, message });
  }

  /** The offset of the path or, where it is not in the file, of what it would be in. */
  #offset(path: string): number {
    for (let at = path; ; at = parentOf(at)) {
      const offset = this.#offsets.get(at);
      if (offset !== undefined) return offset;
      if (at === '') return 0;
    }
  }

  #place(path: string, node: Node | null): void {
    if (node?.range && !this.#offsets.has(path)) this.#offsets.set(path, node.range[0]);
  }

  #wrong(path: string, node: unknown, schema: SchemaNode, hint = ''): unknown {
    const tail = hint === '' ? '' : `; ${hint}`;
    return this.error(path, `expected ${expectation(schema)}, got ${shown(node)}${tail}`);
  }

  #readMap(node: Node | null, schema: SchemaNode, path: string): unknown {
    if (node === null || (isScalar(node) && node.value === null && path !== '')) {
      // A section whose keys are all commented out.
      return this.#defaults(schema, path);
    }
    if (!isMap(node)) return this.#wrong(path, node, schema);
    const properties = schema.properties ?? {};
    const pairs = this.#pairs(node, schema, path);
    const result: Record<string, unknown> = {};
    for (const [key, property] of Object.entries(properties)) {
      const keyPath = join(path, key);
      if (pairs.get(key) === MISSPELT) continue;
      const value = pairs.has(key)
        ? this.read(pairs.get(key), property, keyPath)
        : this.#absent(schema, property, key, path);
      if (value !== undefined) result[key] = value;
    }
    return result;
  }

  /**
   * The map's values by key; unknown and repeated keys are issues. A key that is there under a
   * misspelt name is not missing as well: its value is {@link MISSPELT}.
   */
  #pairs(map: YAMLMap, schema: SchemaNode, path: string): Map<string, unknown> {
    const pairs = new Map<string, unknown>();
    const misspelt: [string, number | undefined][] = [];
    const known = Object.keys(schema.properties ?? {});
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : '?';
      const keyPath = join(path, name);
      const place = (key as Node | null)?.range?.[0];
      if (!isScalar(key) || key.value === null) {
        if (place !== undefined) this.#offsets.set(keyPath, place);
        this.error(keyPath, `expected a key, got ${shown(key)}`);
        continue;
      }
      if (pairs.has(name)) {
        this.#repeated(keyPath, name, place);
        continue;
      }
      if (!known.includes(name)) {
        if (place !== undefined) this.#offsets.set(keyPath, place);
        const meant = this.#unknownKey(schema, name, path);
        if (meant !== undefined) misspelt.push([meant, place]);
      } else {
        pairs.set(name, value);
        // A key without a value is found by its own place.
        if (isScalar(value) && value.source === '' && place !== undefined) {
          this.#offsets.set(keyPath, place);
        }
      }
    }
    for (const [meant, place] of misspelt) {
      if (pairs.has(meant)) continue;
      pairs.set(meant, MISSPELT);
      if (place !== undefined) this.#offsets.set(join(path, meant), place);
    }
    return pairs;
  }

  #repeated(path: string, name: string, place: number | undefined): void {
    const first = this.#offsets.get(path);
    if (place !== undefined) this.#offsets.set(path, place);
    this.error(path, `expected each key once, got "${name}" again`);
    if (first === undefined) this.#offsets.delete(path);
    else this.#offsets.set(path, first);
  }

  /** Returns the key that was meant, if one is near. */
  #unknownKey(schema: SchemaNode, name: string, path: string): string | undefined {
    const keyPath = join(path, name);
    if (schema['x-later']?.includes(name) === true) {
      this.error(keyPath, `"${name}" is not available in this version`);
      return undefined;
    }
    if (name === '<<') {
      this.error(keyPath, 'merge keys ("<<") are not taken; write the keys out');
      return undefined;
    }
    const known = Object.keys(schema.properties ?? {});
    const near = nearest(name, known);
    const tail = near === undefined ? '' : `; did you mean "${near}"?`;
    this.error(
      keyPath,
      `expected one of ${known.join(', ')}, got the unknown key ${shownText(name)}${tail}`,
    );
    return near;
  }

  #absent(parent: SchemaNode, property: SchemaNode, key: string, path: string): unknown {
    const keyPath = join(path, key);
    if (property.default !== undefined) {
      return this.read(this.document.createNode(property.default), property, keyPath);
    }
    if (property.type === 'object') return this.#defaults(property, keyPath);
    if (parent.required?.includes(key) === true) {
      return this.error(keyPath, `expected ${expectation(property)}, but "${key}" is missing`);
    }
    return undefined;
  }

  #defaults(schema: SchemaNode, path: string): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      const value = this.#absent(schema, property, key, path);
      if (value !== undefined) result[key] = value;
    }
    return result;
  }

  #readList(node: Node | null, schema: SchemaNode, path: string): unknown {
    if (node === null || (isScalar(node) && node.value === null)) {
      return schema.default === undefined ? this.#wrong(path, node, schema) : [];
    }
    if (!isSeq(node)) return this.#wrong(path, node, schema);
    const { minItems = 0, maxItems = Infinity } = schema;
    if (node.items.length < minItems || node.items.length > maxItems) {
      const count = String(node.items.length);
      return this.error(path, `expected ${expectation(schema)}, got a list of ${count}`);
    }
    return node.items.map((item, index) =>
      this.read(item, schema.items ?? {}, `${path}[${String(index)}]`),
    );
  }

  #readAny(node: Node | null, schema: SchemaNode, path: string): unknown {
    const branch = schema.anyOf?.find((candidate) => {
      if (candidate.type === 'object') return isMap(node);
      if (candidate.type === 'array') return isSeq(node);
      if (!isScalar(node)) return false;
      if (candidate.type === 'integer') return typeof node.value === 'number';
      if (candidate.enum !== undefined) return candidate.enum.includes(node.value as string);
      if (candidate.format !== undefined && typeof node.value === 'number') return true;
      return typeof node.value === 'string';
    });
    if (branch === undefined) return this.#wrong(path, node, schema);
    const value = this.read(node, branch, path);
    // A host may be written as its NQN alone.
    const shorthand = branch.format === 'host_nqn' && typeof value === 'string';
    return shorthand ? { nqn: value } : value;
  }

  /** A map whose discriminator says which of the variants it is. */
  #readVariant(node: Node | null, schema: SchemaNode, path: string): unknown {
    const discriminator = schema['x-discriminator'] ?? '';
    if (!isMap(node)) return this.error(path, `expected a map, got ${shown(node)}`);
    const value = node.get(discriminator, true) as Node | undefined;
    const tag: unknown = isScalar(value) ? value.value : undefined;
    const variant = schema.anyOf?.find(
      (candidate) => candidate.properties?.[discriminator]?.const === tag,
    );
    if (variant !== undefined) return this.read(node, variant, path);
    const tagPath = join(path, discriminator);
    this.#place(tagPath, value ?? node);
    this.error(tagPath, variantMessage(schema, discriminator, value));
    this.#readCommon(node, schema, discriminator, path);
    const name = node.get('name');
    return typeof name === 'string' ? { name } : {};
  }

  /** What is wrong in a map of no known variant, whichever of them was meant. */
  #readCommon(map: YAMLMap, { anyOf = [] }: SchemaNode, discriminator: string, path: string): void {
    const variants = anyOf.map(({ properties = {}, required = [] }) => ({ properties, required }));
    // Keys of no variant are not held against it: a kind of a later version may have them.
    const written = map.items.map(({ key }) => (isScalar(key) ? String(key.value) : ''));
    const foreign = written.filter((key) => key !== '<<').map((key) => [key, {}] as const);
    const known = Object.assign({}, ...variants.map(({ properties }) => properties)) as object;
    const properties = { ...Object.fromEntries(foreign), ...known };
    const pairs = this.#pairs(map, { properties }, path);
    for (const key of Object.keys(known).filter((each) => each !== discriminator)) {
      const keyPath = join(path, key);
      const readings = variants.map((variant) => {
        const property = variant.properties[key];
        if (!pairs.has(key)) return () => this.#absent(variant, property ?? {}, key, path);
        return property && (() => this.read(pairs.get(key), property, keyPath));
      });
      this.#agreed(readings.filter((reading) => reading !== undefined));
    }
  }

  /** Keeps the issues of the first reading that all the others have as well. */
  #agreed(readings: readonly (() => unknown)[]): void {
    const before = this.issues.length;
    const found = readings.map((read) => {
      read();
      return this.issues.splice(before);
    });
    const [first = [], ...others] = found;
    const isSame = (left: ConfigurationIssue, right: ConfigurationIssue): boolean =>
      left.path === right.path && left.message === right.message;
    const inAll = first.filter((issue) =>
      others.every((issues) => issues.some((other) => isSame(issue, other))),
    );
    this.issues.push(...inAll);
  }

  #readScalar(node: Node | null, schema: SchemaNode, path: string): unknown {
    if (!isScalar(node)) return this.#wrong(path, node, schema);
    const { value } = node;
    const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? []);
    if (value === null && types.includes('null')) return null;
    if (schema.format !== undefined) return this.#readFormat(node, schema, path);
    if (schema.const !== undefined) {
      return value === schema.const ? value : this.#wrong(path, node, schema);
    }
    if (schema.enum !== undefined) {
      if (typeof value === 'string' && schema.enum.includes(value)) return value;
      const near = typeof value === 'string' ? nearest(value, schema.enum) : undefined;
      return this.#wrong(path, node, schema, near === undefined ? '' : `did you mean "${near}"?`);
    }
    if (types.includes('boolean')) {
      if (typeof value === 'boolean') return value;
      const word = typeof value === 'string' ? value.toLowerCase() : '';
      const meant = FLAG_WORDS.get(word);
      return this.#wrong(path, node, schema, meant === undefined ? '' : `write ${meant}`);
    }
    const { minimum = -Infinity, maximum = Infinity } = schema;
    const source = node.source ?? String(value);
    const valid = Number.isSafeInteger(value) && isDecimal(source);
    if (valid && (value as number) >= minimum && (value as number) <= maximum) return value;
    const isQuoted = typeof value === 'string' && isDecimal(value);
    return this.#wrong(path, node, schema, isQuoted ? UNQUOTE : notationHint(source));
  }

  #readFormat(node: Node, schema: SchemaNode, path: string): unknown {
    const format = FORMATS[schema.format ?? ''];
    if (format === undefined || !isScalar(node)) return this.#wrong(path, node, schema);
    const { value, source } = node;
    const isNumber = typeof value === 'number' || typeof value === 'bigint';
    if (!isNumber && typeof value !== 'string') return this.#wrong(path, node, schema);
    // The digits as written: a number may have lost its precision.
    const text = isNumber ? (source ?? String(value)) : value;
    const parsed = format.parse(text);
    if (parsed === undefined) return this.#wrong(path, node, schema, format.hint?.(text) ?? '');
    const takesNumber =
      format.takesFraction === true || (format.takesInteger === true && isDecimal(text));
    if (isNumber && !takesNumber) {
      return this.#wrong(path, node, schema, 'put it in quotes');
    }
    const range = outOfRange(schema, parsed);
    if (range !== undefined) return this.error(path, `expected ${range}, got ${shown(node)}`);
    return parsed;
  }
}

/** What each alias stands for: the last node before it that has its anchor. */
function anchoredNodes(document: Document): Map<Alias, Node> {
  const anchors = new Map<string, Node>();
  const found = new Map<Alias, Node>();
  visit(document, {
    Alias: (_key, alias) => {
      const node = anchors.get(alias.source);
      if (node !== undefined) found.set(alias, node);
    },
    Value: (_key, node) => {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return found;
}

/** `a.b[0]` and `a.b` and `a`. */
function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('.'), path.lastIndexOf('['), 0));
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function variantMessage(schema: SchemaNode, discriminator: string, value: unknown): string {
  const variants = (schema.anyOf ?? []).map((variant) =>
    String(variant.properties?.[discriminator]?.const),
  );
  const available = variants.join(', ');
  if (value === undefined) return `expected one of ${available}, but "${discriminator}" is missing`;
  if (isScalar(value) && value.value === null && variants.includes('null')) {
    return `expected one of ${available}, got null; write "null" in quotes`;
  }
  const tag = isScalar(value) && typeof value.value === 'string' ? value.value : undefined;
  const meant = schema.anyOf?.find((variant) =>
    variant.properties?.[discriminator]?.['x-also']?.includes(tag?.toLowerCase() ?? ''),
  )?.properties?.[discriminator]?.const;
  const near = meant ?? (tag === undefined ? undefined : nearest(tag, variants));
  const tail = near === undefined ? '' : `; did you mean "${near}"?`;
  return `expected one of ${available}, got ${shown(value)}${tail}`;
}

/** A value as an error message shows it: on one line, not too long. */
function shown(node: unknown): string {
  if (isMap(node)) return 'a map';
  if (isSeq(node)) return 'a list';
  if (isAlias(node)) {
    const name = printable(node.source);
    return `the alias "*${name}", before which there is no "&${name}"`;
  }
  if (!isScalar(node) || node.value === null) return 'nothing';
  if (typeof node.value !== 'string') return printable(node.source ?? JSON.stringify(node.value));
  return shownText(node.value);
}

function shownText(text: string): string {
  return quoted(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

/** Characters that cannot be seen, or that change what stands beside them, are escaped. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}
