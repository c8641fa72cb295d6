// `ServiceContext.registry` decides which metrics library the services use, so they take it from here, in one version.
export { Counter, Gauge, Histogram, Registry } from 'prom-client';
export { systemClock } from './clock.ts';
export type { Clock } from './clock.ts';
export { FailureReporter, silentLog } from './failure-reporter.ts';
export type { FailureLog } from './failure-reporter.ts';
export { KeptProcess } from './kept-process.ts';
export { awaitFreePort, findFreePort, listen, ListenError } from './listen.ts';
export { createLogger } from './logger.ts';
export type { Logger } from './logger.ts';
export { startOpsServer } from './ops-server.ts';
export { askReadiness, Readiness } from './health.ts';
export type { ReadinessAnswer } from './health.ts';
export { EXIT_CONFIG, EXIT_FAILED, EXIT_OK, runService } from './service.ts';
export type { ServiceArguments, ServiceContext } from './service.ts';
export { Shutdown } from './shutdown.ts';
export { makePrivateDirectory, privateUmask, tightenDirectory, writePrivateFile } from './private-directory.ts';
export { childStopGrace, usableMemoryBytes } from './process.ts';
export { WorkerReports } from './worker-reports.ts';
