/**
 * The part of JSON Schema that the configuration uses, with our own keywords, as the reader walks
 * it.
 */
export interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly format?: string;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly anyOf?: readonly SchemaNode[];
  /** When a changed value begins to count. */
  readonly 'x-effect'?: string;
  readonly 'x-unit'?: string;
  /** Range of a size or time, written like the value. */
  readonly 'x-least'?: string;
  readonly 'x-most'?: string;
  /** The file that a bdev's content is in. */
  readonly 'x-content'?: true;
  /** The name of a bdev that this one stands on: it has all of that, or a range beside others. */
  readonly 'x-base'?: 'all' | 'range';
  /** It counts only when the bdev is opened. */
  readonly 'x-opening'?: true;
  /** The engine is not told. */
  readonly 'x-control'?: true;
  /** The page of docs/reference that has more. */
  readonly 'x-page'?: string;
  /** The key whose constant tells the variants of `anyOf` apart. */
  readonly 'x-discriminator'?: string;
  /** Other words for a constant, for which readers of an error are told this one. */
  readonly 'x-also'?: readonly string[];
  /** Keys that a later version will know. */
  readonly 'x-later'?: readonly string[];
}
