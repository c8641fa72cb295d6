import { type LookedAt, reportJson, reportText, type TimeRange, verify } from '@sink/audit';
import { bucketName, configOfRoute, routesOf, type SinkConfig } from '@sink/config';
import { QUARANTINE_ROUTE } from '@sink/domain';
import { IoredisPort, LaneView, rememberLanes } from '@sink/lane';
import { bucketNamed, createObjectReader, type ObjectReader, ObjectStoreError, placeOf } from '@sink/objects';
import { EXIT_FAILED, EXIT_OK } from '@sink/runtime';
import { connectTool, toolConnected } from './attached-redis.ts';

/** Redis or the bucket cannot be read, so that nothing is known about the objects. */
const EXIT_UNKNOWN = 2;

export interface VerifyCommand {
  readonly range: TimeRange;
  /** Also read the objects. */
  readonly read: boolean;
  readonly json: boolean;
}

/**
 * Compares the receipts with the bucket and writes the findings. Resolves to the exit code: 0 without a finding, 1 with
 * one, 2 when Redis or the bucket cannot be read.
 * @param config with the address of the sink's Redis
 */
export async function runVerify(
  config: SinkConfig,
  { range, read, json }: VerifyCommand,
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const place = config.bucket.kind === 'file' ? config.bucket.directory : `s3://${config.bucket.name}/${config.prefix}`;
  const reader = createObjectReader(config.bucket);
  const others: ObjectReader[] = [];
  const client = connectTool(config);
  try {
    await toolConnected(client, config);
    const port = new IoredisPort(client);
    const numbers = await rememberLanes(port, config.sinkName, config.lanes);
    const lanes = numbers.map((number) => new LaneView(port, config.sinkName, number));
    const { prefix, quarantinePrefix, onInvalid } = config;
    const quarantines = onInvalid === 'quarantine';
    // What is quarantined is looked for only where it may be.
    const routes = [...routesOf(config)].filter(([name]) => name !== QUARANTINE_ROUTE).map(([, rules]) => rules);
    const options = { prefix, quarantinePrefix, quarantines, routes, place: placeOf(config.bucket), range, read };
    const result = await verify({ lanes, reader, openBucket, signal }, options);
    write(json ? reportJson(result, place) : reportText(result, place));
    return result.findings.total === 0 ? EXIT_OK : EXIT_FAILED;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const remedy = error instanceof ObjectStoreError && error.remedy !== undefined ? `\n  remedy: ${error.remedy}` : '';
    write(json ? `${JSON.stringify({ ok: null, place, problem: reason })}\n` : `UNKNOWN: ${reason}${remedy}\n`);
    return EXIT_UNKNOWN;
  } finally {
    client.disconnect();
    reader.close();
    for (const other of others) other.close();
  }

  function openBucket(bucket: string): LookedAt | null {
    // A route may have credentials or a server of its own.
    const ofRoutes = config.routes.map((route) => configOfRoute(config, route).bucket);
    const named = ofRoutes.find((one) => bucketName(one) === bucket) ?? bucketNamed(bucket, config.bucket);
    if (named === null) return null;
    const other = createObjectReader(named);
    others.push(other);
    return { place: placeOf(named), reader: other };
  }
}
