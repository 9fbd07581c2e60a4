/** How things are called where operators read of them: in the log, the API and the metrics. */

/** `hostNqn` → `host_nqn`. */
export function fieldName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The fields by the names that operators read. */
export function namedFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [fieldName(name), value]),
  );
}
