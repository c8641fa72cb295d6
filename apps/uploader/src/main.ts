import { runService } from '@sink/runtime';
import { startUploader } from './start.ts';

await runService('uploader', startUploader);
