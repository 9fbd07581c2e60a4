/** Locked memory and open files. */

import { sizeText } from '../byte-text.js';
import { TargetError } from '../errors.js';
import { type Finding, finding } from './finding.js';
import { type Patient, bdevsOf, hasCapability, pinnedBytes } from './patient.js';
import { readLimit } from './process-limits.js';

export async function limitFindings(patient: Patient): Promise<Finding[]> {
  return [await lockedMemoryFinding(patient), await openFilesFinding(patient)];
}

/** What a device reaches by itself must not be moved, so it counts as locked. */
async function lockedMemoryFinding(patient: Patient): Promise<Finding> {
  const { files, trial } = patient;
  const name = 'locked_memory';
  const { soft } = await readLimit(files, 'lockedMemory');
  const mayAll = soft === Infinity || (await hasCapability(files, 'ipcLock'));
  const text = mayAll ? 'any amount may be locked' : `${sizeText(soft)} may be locked`;
  if (bdevsOf(patient, 'nvme').length === 0) {
    return finding(name, 'unused', `${text}; only bdevs of kind nvme need it`);
  }
  if (mayAll) return finding(name, 'ok', text);
  if (trial instanceof TargetError) {
    return finding(name, 'warning', `${text}; how much is needed is not known without the engine`);
  }
  const needed = pinnedBytes(patient, trial);
  if (soft > needed) return finding(name, 'ok', `${text}, some ${sizeText(needed)} are needed`);
  return finding(
    name,
    'missing',
    `${text}, but bdevs of kind nvme need more than ${sizeText(needed)}`,
    'LimitMEMLOCK=infinity of the service, or ulimit -l unlimited',
  );
}

async function openFilesFinding({ files, trial, configuration }: Patient): Promise<Finding> {
  const name = 'open_files';
  const { hard } = await readLimit(files, 'openFiles');
  const text = hard === Infinity ? 'any number' : hard.toLocaleString('en-US');
  if (trial instanceof TargetError) {
    const unknown = 'how many are needed is not known without the engine';
    return finding(name, 'warning', `there may be ${text}; ${unknown}`);
  }
  const { openFiles, openFilesLeast } = trial;
  if (hard >= openFiles) return finding(name, 'ok', `there may be ${text}`);
  const wanted = configuration.engine.connectionsMax.toLocaleString('en-US');
  const reason = `there may be ${text}, but ${wanted} connections need ${openFiles.toLocaleString('en-US')}`;
  const fix = `LimitNOFILE=${String(openFiles)} of the service, or ulimit -Hn ${String(openFiles)}`;
  if (hard < openFilesLeast) return finding(name, 'missing', reason, fix);
  return finding(name, 'warning', `${reason}; there will be fewer connections`, fix);
}
