import { runService } from '@sink/runtime';
import { startIngest } from './start.ts';

await runService('ingest', startIngest);
