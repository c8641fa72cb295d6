export { Manifests } from './manifests.ts';
export type { ManifestOptions, ManifestPorts } from './manifests.ts';
export { UploaderMetrics } from './metrics.ts';
export type { ObjectBody, ObjectBuilderPort, SpoolFilesPort } from './ports.ts';
export { SpoolFiles } from './spool-files.ts';
export { startUploader } from './start.ts';
export type { UploaderTimes } from './start.ts';
export { uploadSegment, uploadSpilled } from './upload-segment.ts';
export type { UploadPorts, UploadResult } from './upload-segment.ts';
