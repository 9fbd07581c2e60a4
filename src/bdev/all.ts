/** The kinds of bdevs, a line for each. */

export { malloc } from './malloc.js';
export { nullKind } from './null.js';
export { split } from './split.js';
export { uring } from './uring.js';
