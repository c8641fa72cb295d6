import { freePort } from '@sink/testing';

/** For the environment of a whole sink: ports that no other process has. */
export async function freePorts(): Promise<Readonly<Record<string, string>>> {
  return {
    SINK_PORT: String(await freePort()),
    SINK_INGEST_OPS_PORT: String(await freePort()),
    SINK_BATCHER_OPS_PORT: String(await freePort()),
    SINK_UPLOADER_OPS_PORT: String(await freePort()),
  };
}
