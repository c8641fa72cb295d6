import { configOfRouteNamed, type SinkConfig } from '@sink/config';
import { RECORD_VERSION } from '@sink/domain';
import { type RedisPort, rememberLanes, type StoredRecord, UploaderLane } from '@sink/lane';
import { bucketNamed, createObjectStore } from '@sink/objects';
import { EXIT_OK } from '@sink/runtime';

const CHECK_MS = 30_000;

export interface RedirectCommand {
  readonly action: 'redirect';
  /** As records name them: the name of a bucket, or the file:// address of a directory. */
  readonly from: string;
  readonly to: string;
}

/**
 * Sends sealed segments of one bucket to another. Each record is changed in one step, and a segment is committed only with an
 * object in the bucket that its record names, so each is stored once there. An uploader that had read a record before may leave
 * an object in the earlier bucket, which has no receipt.
 *
 * @returns the exit code, and the segments that were redirected
 */
export async function redirectUploads(
  config: SinkConfig,
  redis: RedisPort,
  { from, to }: RedirectCommand,
  write: (text: string) => void,
): Promise<{ readonly code: number; readonly segmentIds: readonly string[] }> {
  const segmentIds: string[] = [];
  const tried = new Set<string>();
  let plain = 0;
  for (const number of await rememberLanes(redis, config.sinkName, config.lanes)) {
    const lane = new UploaderLane(redis, config.sinkName, number);
    for await (const page of lane.stored()) {
      for (const found of page) {
        const { record } = found;
        if (record.v === RECORD_VERSION) plain += 1;
        else if (record.bucket === from) {
          if (!tried.has(record.route)) await tryBucket(config, record.route, to);
          tried.add(record.route);
          if (await redirected(lane, found, to)) segmentIds.push(record.id);
        }
      }
    }
  }
  write(`${segmentIds.length} segments are stored in ${to} instead of ${from}\n`);
  if (segmentIds.length > 0) {
    write(
      `if an upload of one of them was under way, its object may be left in ${from}: "sink verify" counts it as here too\n`,
    );
  }
  if (plain > 0) {
    write(`${plain} segments of the default route are stored in the bucket of the configuration: change \`bucket\`\n`);
  }
  return { code: EXIT_OK, segmentIds };
}

/** A record that changes while it is redirected was spilled: it is read again. */
async function redirected(lane: UploaderLane, found: StoredRecord, to: string): Promise<boolean> {
  const answer = await lane.redirect(found, to);
  if (answer !== 'changed') return answer === 'redirected';
  const again = await lane.storedRecord(found.record.id);
  const { record } = again ?? {};
  if (!again || record?.v !== 2 || found.record.v !== 2 || record.bucket !== found.record.bucket) return false;
  return (await lane.redirect(again, to)) === 'redirected';
}

/** @throws if the route cannot put objects there: nothing of it is redirected then */
async function tryBucket(config: SinkConfig, route: string, to: string): Promise<void> {
  const ofRoute = configOfRouteNamed(config, route);
  const named = bucketNamed(to, ofRoute.bucket);
  if (named === null) throw new Error(`redirecting to ${to}: the route ${route} has a bucket of another kind`);
  const store = createObjectStore(named, ofRoute);
  try {
    await store.check(AbortSignal.timeout(CHECK_MS), 'thorough');
  } finally {
    store.close();
  }
}
