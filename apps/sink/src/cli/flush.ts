import { randomUUID } from 'node:crypto';
import { formatDuration, type SinkConfig } from '@sink/config';
import { flush, type FlushCall, IoredisPort, missingText, rememberLanes } from '@sink/lane';
import { EXIT_FAILED, EXIT_OK, systemClock } from '@sink/runtime';
import { connectTool, toolConnected } from './attached-redis.ts';

/** Has the batchers close what is open, and waits for the bucket if asked to. Resolves to the exit code. */
export async function runFlush(
  config: SinkConfig,
  call: FlushCall,
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const client = connectTool(config);
  try {
    await toolConnected(client, config);
    const redis = new IoredisPort(client);
    const { sinkName } = config;
    const lanes = await rememberLanes(redis, sinkName, config.lanes);
    const answer = await flush({ redis, sinkName, lanes, id: randomUUID(), clock: systemClock, signal }, call);
    switch (answer.kind) {
      case 'flushed':
        write('everything that was accepted before is in the bucket\n');
        return EXIT_OK;
      case 'noted':
        write('the batchers close what is open; --wait waits until it is in the bucket\n');
        return EXIT_OK;
      case 'busy':
        write(
          `FAILED: another flush is under way, until ${new Date(answer.other.untilMs).toISOString()} at the latest\n`,
        );
        return EXIT_FAILED;
      case 'stopped':
        write('FAILED: stopped\n');
        return EXIT_FAILED;
      case 'late':
        write(`FAILED: not everything is in the bucket after ${formatDuration(call.timeoutMs)}\n`);
        for (const line of missingText(answer)) write(`  ${line}\n`);
        return EXIT_FAILED;
    }
  } catch (error) {
    write(`FAILED: ${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT_FAILED;
  } finally {
    client.disconnect();
  }
}
