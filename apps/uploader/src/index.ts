export { composeUploader } from './compose.ts';
export type { ComposedUploader, UploaderPorts, UploadJobs } from './compose.ts';
export { UploaderMetrics } from './metrics.ts';
