/**
 * The JSON Schema for editors (docs/reference/config.schema.json). It takes what `capsuled check`
 * takes and refuses what that refuses, as far as one value tells; what depends on other values, or
 * on this machine, only `check` knows.
 */

import { FORMATS } from './formats.js';
import type { SchemaNode } from './schema-node.js';
import { configurationSchema } from './schema.js';

/** The text of the file. */
export function jsonSchema(): string {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'capsuled config.yaml',
    ...editorNode(configurationSchema as unknown as SchemaNode),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** A node without our own keywords, in standard words. */
function editorNode(node: SchemaNode): Record<string, unknown> {
  const required = node.required?.filter((key) => isRequired(node.properties?.[key]));
  const kept = Object.entries(node).filter(
    ([key]) => !key.startsWith('x-') && !['format', 'required'].includes(key),
  );
  return {
    ...Object.fromEntries(kept),
    ...(node.format === undefined ? {} : FORMATS[node.format]?.schema(node)),
    ...(required === undefined || required.length === 0 ? {} : { required }),
    ...(node.properties === undefined ? {} : { properties: properties(node.properties) }),
    ...(node.items === undefined ? {} : { items: editorNode(node.items) }),
    ...(node.anyOf === undefined ? {} : { anyOf: node.anyOf.map(editorNode) }),
  };
}

function properties(of: Readonly<Record<string, SchemaNode>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(of).map(([key, property]) => [key, emptied(property, editorNode(property))]),
  );
}

/** A section or list may be there without content: its keys may all be commented out. */
function emptied(node: SchemaNode, schema: Record<string, unknown>): Record<string, unknown> {
  const mayBeEmpty =
    node.type === 'object' || (node.type === 'array' && node.default !== undefined);
  return mayBeEmpty ? { ...schema, type: [node.type, 'null'] } : schema;
}

function isRequired(node: SchemaNode | undefined): boolean {
  return node !== undefined && node.default === undefined && node.type !== 'object';
}
