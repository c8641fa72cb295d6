export { UploadQueueInDoubt } from './deadline.ts';
export { RETRY_TIMES, retryDelayMs } from './retry-delay.ts';
export type { RetryPace, RetryTimes } from './retry-delay.ts';
export { queuePrefix } from './upload-job.ts';
export { UploadQueue } from './upload-queue.ts';
export type { UploadCounts, UploadQueueOptions, WaitingUpload } from './upload-queue.ts';
export { UploadWorker } from './upload-worker.ts';
export type { UploadLost, UploadWorkerOptions } from './upload-worker.ts';
