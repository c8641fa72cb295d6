import { runService } from '@sink/runtime';
import { startBatcher } from './start.ts';

await runService('batcher', startBatcher);
