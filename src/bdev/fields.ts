/** What the kinds of bdevs have in common in config.yaml. */

import { text } from '../config/schema-fields.js';
import type { FieldOptions } from '../config/schema-fields.js';

export const nameField = text('name', {
  description: 'Name that namespaces refer to.',
  effect: 'new',
});

/** The name of a bdev that this one stands on: of all of it alone, or of a range beside others. */
export function baseField(base: 'all' | 'range', options: FieldOptions) {
  return text('name', { ...options, base });
}
