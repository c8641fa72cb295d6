export { UploadQueue } from './upload-queue.ts';
export { RETRY_TIMES, UploadWorker } from './upload-worker.ts';
export type { RetryPace, RetryTimes } from './upload-worker.ts';
export type { WaitingUpload } from './upload-queue.ts';
