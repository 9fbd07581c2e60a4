/** The kinds of bdevs, a line for each. */

export { crypto } from './crypto.js';
export { delay } from './delay.js';
export { error } from './error.js';
export { malloc } from './malloc.js';
export { nullKind } from './null.js';
export { nvme } from './nvme.js';
export { nvmf } from './nvmf.js';
export { partition } from './partition.js';
export { split } from './split.js';
export { uring } from './uring.js';
