import { runService } from '../service.ts';

/** A service for the tests of `runService`, run as a process. The sink's name says how it behaves. */
await runService('batcher', async ({ config, log, shutdown, signal, readiness, fail }) => {
  const keepAlive = setInterval(() => undefined, 1000);
  shutdown.add('bottom', async () => {
    clearInterval(keepAlive);
    log.info({ aborted: signal.aborted, problems: readiness.problems() }, 'released bottom');
  });
  switch (config.sinkName) {
    case 'start-fails':
      throw new Error('connecting to nothing: it is not there');
    case 'start-hangs':
      log.info('hanging');
      await new Promise(() => undefined);
      break;
    case 'stop-hangs':
      shutdown.add('hangs', () => new Promise(() => undefined));
      break;
    case 'fails-later':
      setImmediate(() => {
        fail(new Error('the lane is gone'));
      });
      break;
    case 'breaks-later':
      setImmediate(() => {
        throw new Error('invariant broken');
      });
      break;
    default:
  }
});
