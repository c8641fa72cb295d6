import { expect, test } from 'vitest';
import { topologyOf } from './topology.ts';

const WORTH = [
  { kind: 'single', following: 0, wanted: 0, failover: 'none', says: [] },
  { kind: 'socket', following: 0, wanted: 0, failover: 'none', says: [] },
  { kind: 'single', following: 2, wanted: 0, failover: 'lossy', says: [/2 replicas follow this Redis/] },
  { kind: 'single', following: 1, wanted: 1, failover: 'lossy', says: [/a replica follows this Redis/] },
  { kind: 'single', following: 0, wanted: 1, failover: 'none', says: [/only 0 are connected/] },
  { kind: 'sentinel', following: 2, wanted: 0, failover: 'lossy', says: [/replicas is 0.*set replicas: 1/] },
  { kind: 'sentinel', following: 2, wanted: 1, failover: 'safe', says: [] },
  { kind: 'sentinel', following: 1, wanted: 1, failover: 'safe', says: [/add a replica/] },
  { kind: 'sentinel', following: 0, wanted: 1, failover: 'safe', says: [/only 0 are connected/] },
  { kind: 'cluster', following: 1, wanted: 1, failover: 'safe', says: [] },
  { kind: 'cluster', following: 1, wanted: 0, failover: 'planned_safe', says: [/set replicas: 1/] },
  { kind: 'cluster', following: 0, wanted: 0, failover: 'planned_safe', says: [] },
] as const;

test.each(WORTH)(
  '$kind, $following replicas follow, $wanted are waited for: $failover',
  ({ kind, following, wanted, failover, says }) => {
    const topology = topologyOf(kind, following, wanted);
    expect(topology.failover).toBe(failover);
    expect(topology.warnings).toEqual(says.map((words) => expect.stringMatching(words) as unknown));
  },
);
