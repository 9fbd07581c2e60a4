/** Lists that the configuration can make long, in lines that must not be. */

/** So many say which they are; whoever wants all of them asks the API. */
export const LISTED_MAX = 20;

/** The first of them, and how many there are beside these: `… and 3,980 more`. */
export function listed(texts: readonly string[]): string[] {
  const more = texts.length - LISTED_MAX;
  if (more <= 0) return [...texts];
  return [...texts.slice(0, LISTED_MAX), `… and ${more.toLocaleString('en-US')} more`];
}
