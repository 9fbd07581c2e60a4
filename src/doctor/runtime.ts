/** What the program itself runs on: Node, and the addon. */

import { TargetError } from '../errors.js';
import { type Finding, finding } from './finding.js';
import type { Patient } from './patient.js';

/** As package.json has it. */
const NODE_MAJOR_MIN = 20;

export async function runtimeFindings({ nodeVersion, trial }: Patient): Promise<Finding[]> {
  return [nodeFinding(nodeVersion), engineFinding(trial)];
}

function nodeFinding(version: string): Finding {
  const major = Number(/^v?(\d+)/.exec(version)?.[1] ?? 0);
  if (major >= NODE_MAJOR_MIN) return finding('node', 'ok', version);
  const least = String(NODE_MAJOR_MIN);
  return finding(
    'node',
    'missing',
    `Node ${least} or newer is needed, this is ${version}`,
    `install Node ${least} or newer`,
  );
}

function engineFinding(trial: Patient['trial']): Finding {
  if (trial instanceof TargetError && trial.code === 'engine_unavailable') {
    return finding('engine', 'missing', trial.message, 'npm run setup');
  }
  return finding('engine', 'ok', 'the addon loads');
}
