/** /v1/bdevs: the block devices. */

import { type Static, Type } from '../json-schema.js';
import { describeBdev, describeParameters } from '../bdev/kinds.js';
import { type BdevDrive, type BdevPath, pathStates } from '../engine/engine-types.js';
import { type ListedBdevState, listedBdevStates, stateText } from '../subsystem/bdev-condition.js';
import type { BdevView } from '../subsystem/views.js';
import { listRoute } from './listing.js';
import type { AdminSources, ResourcePlugin } from './sources.js';

const zeroCelsiusKelvin = 273;

const bdevState = Type.Unsafe<ListedBdevState>({ type: 'string', enum: listedBdevStates });

const bdevSchema = Type.Object({
  name: Type.String(),
  kind: Type.String(),
  state: Type.Unsafe<ListedBdevState>({
    type: 'string',
    enum: listedBdevStates,
    description:
      'The worst. unavailable: it cannot be opened now, and is tried again. draining: it was removed, and is held by ' +
      'I/O that has not ended. What is not known of these two is null.',
  }),
  reason: Type.Union([Type.String(), Type.Null()], { description: 'What is wrong.' }),
  since: Type.Union([Type.String(), Type.Null()], { description: 'Since when it is not open.' }),
  block_size: Type.Union([Type.Integer(), Type.Null()], { description: 'bytes' }),
  block_count: Type.Union([Type.Integer(), Type.Null()]),
  size: Type.Union([Type.Integer(), Type.Null()], { description: 'bytes' }),
  read_only: Type.Union([Type.Boolean(), Type.Null()]),
  can_unmap: Type.Union([Type.Boolean(), Type.Null()]),
  can_write_zeroes: Type.Union([Type.Boolean(), Type.Null()]),
  volatile_cache: Type.Union([Type.Boolean(), Type.Null()]),
  states: Type.Array(bdevState, {
    description: 'All that hold, worst first.',
  }),
  failure_count: Type.Union([Type.Integer(), Type.Null()], {
    description: 'Errors of the machine since it was opened.',
  }),
  last_failure: Type.Union(
    [
      Type.Object({
        op: Type.String(),
        offset: Type.Integer({ description: 'bytes' }),
        error: Type.String({ description: 'such as EIO' }),
        message: Type.String(),
      }),
      Type.Null(),
    ],
    { description: 'The last error of the machine.' },
  ),
  oldest_operation_ms: Type.Union([Type.Integer(), Type.Null()], {
    description: 'How long its oldest operation has been under way, give or take two seconds.',
  }),
  drive: Type.Union(
    [
      Type.Object({
        resets: Type.Integer({ description: 'of its controller, since it was opened' }),
        bounce_copies: Type.Integer({
          description: 'operations whose data the drive could not reach, and that were copied',
        }),
        health: Type.Union(
          [
            Type.Object({
              critical_warning: Type.Integer({ description: 'bits' }),
              temperature_celsius: Type.Integer(),
              available_spare: Type.Integer({ description: 'percent' }),
              available_spare_threshold: Type.Integer({ description: 'percent' }),
              percentage_used: Type.Integer({ description: 'may exceed 100' }),
              data_units_read: Type.Integer({ description: 'in 512,000 bytes' }),
              data_units_written: Type.Integer({ description: 'in 512,000 bytes' }),
              power_cycles: Type.Integer(),
              power_on_hours: Type.Integer(),
              unsafe_shutdowns: Type.Integer(),
              media_errors: Type.Integer(),
            }),
            Type.Null(),
          ],
          {
            description: 'SMART / Health Information, read once a minute while the drive is live.',
          },
        ),
      }),
      Type.Null(),
    ],
    { description: 'Of a bdev that drives its device by itself.' },
  ),
  paths: Type.Array(
    Type.Object({
      name: Type.String({ description: 'where it leads, such as 192.0.2.1:4420' }),
      state: Type.Unsafe<BdevPath['state']>({ type: 'string', enum: [...pathStates] }),
      access: Type.Union([Type.String(), Type.Null()], {
        description: 'ANA state of the namespace there, such as optimized, if it is known.',
      }),
      reason: Type.Union([Type.String(), Type.Null()], { description: 'What is wrong.' }),
    }),
    { description: 'Of a bdev that is reached over the network: the ways to it.' },
  ),
  identity: Type.Union(
    [
      Type.Object({
        uuid: Type.String(),
        source: Type.String({ description: 'random, file, device or state_directory' }),
        detail: Type.String({ description: 'what it is made of, or where it is recorded' }),
      }),
      Type.Null(),
    ],
    { description: 'The identity of what it holds.' },
  ),
  namespace: Type.Union(
    [Type.Object({ subsystem: Type.String(), nsid: Type.Integer() }), Type.Null()],
    { description: 'The namespace that uses it.' },
  ),
  configuration: Type.Record(Type.String(), Type.Unknown(), {
    description: 'The entry of config.yaml that recreates it.',
  }),
});

export const bdevsPlugin: ResourcePlugin = async (app, { sources }) => {
  listRoute(app, '/bdevs', {
    summary: 'The block devices',
    item: bdevSchema,
    sortBy: ['name', 'kind', 'size'],
    items: () => bdevs(sources.target),
  });
};

type BdevJson = Static<typeof bdevSchema>;

function bdevs({ bdevs: open, unavailable, drains }: AdminSources['target']): BdevJson[] {
  return [
    ...open.map(bdevJson),
    ...unavailable.bdevs.map(({ parameters, reason, since }) => ({
      ...unknownFacts,
      name: parameters.name,
      kind: parameters.kind,
      state: 'unavailable' as const,
      states: ['unavailable' as const],
      reason,
      since: since.toISOString(),
      configuration: describeParameters(parameters),
    })),
    ...drains.flatMap(({ bdev, what, since, state }) =>
      bdev === null
        ? []
        : [
            {
              ...unknownFacts,
              name: bdev.name,
              kind: bdev.kind,
              state: 'draining' as const,
              states: ['draining' as const],
              reason:
                state === 'failed'
                  ? `${what} could not be closed`
                  : `${what} is held by I/O that has not ended`,
              since: since.toISOString(),
              configuration: describeParameters(bdev),
            },
          ],
    ),
  ];
}

const unknownFacts = {
  block_size: null,
  block_count: null,
  size: null,
  read_only: null,
  can_unmap: null,
  can_write_zeroes: null,
  volatile_cache: null,
  failure_count: null,
  last_failure: null,
  oldest_operation_ms: null,
  drive: null,
  paths: [],
  identity: null,
  namespace: null,
};

function bdevJson(view: BdevView): BdevJson {
  const [state = 'ok'] = view.states;
  return {
    name: view.name,
    kind: view.kind,
    state,
    states: [...view.states],
    reason: stateText(state),
    since: null,
    block_size: view.blockSize,
    block_count: Number(view.blockCount),
    size: Number(view.blockCount) * view.blockSize,
    read_only: view.readOnly,
    can_unmap: view.canUnmap,
    can_write_zeroes: view.canWriteZeroes,
    volatile_cache: view.volatileCache,
    failure_count: view.health.failureCount,
    last_failure: failureJson(view),
    oldest_operation_ms: view.health.oldestMs,
    drive: driveJson(view.drive),
    paths: view.paths.map(pathJson),
    identity: view.identity,
    namespace: view.namespace,
    configuration: describeBdev(view, view.parameters),
  };
}

function driveJson(drive: BdevDrive | null): BdevJson['drive'] {
  if (drive === null) return null;
  const { resets, bounceCopies, health } = drive;
  return {
    resets,
    bounce_copies: bounceCopies,
    health:
      health === null
        ? null
        : {
            critical_warning: health.criticalWarning,
            temperature_celsius: health.temperatureKelvin - zeroCelsiusKelvin,
            available_spare: health.availableSpare,
            available_spare_threshold: health.availableSpareThreshold,
            percentage_used: health.percentageUsed,
            data_units_read: health.dataUnitsRead,
            data_units_written: health.dataUnitsWritten,
            power_cycles: health.powerCycles,
            power_on_hours: health.powerOnHours,
            unsafe_shutdowns: health.unsafeShutdowns,
            media_errors: health.mediaErrors,
          },
  };
}

function pathJson({ name, state, access, reason }: BdevPath): BdevJson['paths'][number] {
  return {
    name,
    state,
    access: access === '' ? null : access,
    reason: reason === '' ? null : reason,
  };
}

function failureJson({ health }: BdevView): Static<typeof bdevSchema>['last_failure'] {
  if (health.lastFailure === null) return null;
  const { op, offset, code, message } = health.lastFailure;
  return { op, offset, error: code, message };
}
