import { type ChildProcess, spawn } from 'node:child_process';
import { addressOf, readEnvironment } from '@sink/config';
import {
  awaitFreePort,
  childStopGrace,
  EXIT_CONFIG,
  EXIT_OK,
  Gauge,
  HANDED_ENVIRONMENT,
  KeptProcess,
  type Registry,
  type ServiceContext,
  startWithConfig,
} from '@sink/runtime';
import { followCertificate, openTls } from '../http/tls/open-tls.ts';
import type { PortTls } from '../http/tls/tls-server.ts';

/** Shares of `stop_grace`: a worker's own, and the time after which it is killed so that the parent still ends in time. */
const OWN_GRACE_SHARE = 0.9;
const KILL_SHARE = 0.95;

/** After their parent is killed, workers hold the port until they notice. */
const PORT_WAIT_MS = 5_000;

/** A worker found its configuration wrong, or what the configuration points to: a restart does not help. */
class WorkerUnfit extends Error {
  override readonly name = 'WorkerUnfit';
  readonly code = 'worker_unfit';
  readonly retryable = false;
}

/**
 * Starts ingest as several processes on one port. Each is a whole ingest with its own connections to Redis and its own
 * writers; the system spreads connections over them (SO_REUSEPORT). This process restarts and stops them, and answers for
 * all of them on the operations port. If it is killed its channel to them ends, and they stop in order by themselves.
 */
export async function startWorkers(context: ServiceContext, count: number): Promise<void> {
  const { clock, config, fail, log, registry, shutdown, signal, workers } = context;
  // The workers open the port with it. This process answers for it on the operations port.
  const tls = openTls(context);
  // The workers share the port, and the system would let any process of this user join them: a second ingest too.
  const port = await awaitFreePort(config.host, config.port, { waitMs: PORT_WAIT_MS, clock, signal });
  registerWorkerCount(registry, () => workers.count);

  const failures: string[] = [];
  const processes = Array.from({ length: count }, (_, index) => {
    const name = `worker ${index + 1}`;
    const launch = (): ChildProcess => {
      const child = launchWorker(context, { count, port, tls });
      workers.add(name, child);
      child.once('exit', (code) => {
        if (signal.aborted && code !== EXIT_OK) failures.push(name);
      });
      return child;
    };
    const onFatal = (): void =>
      fail(new WorkerUnfit(`${name} exited with ${EXIT_CONFIG}: its reason is in the log lines above`));
    return new KeptProcess({ name, launch, isFatal: (code) => code === EXIT_CONFIG, onFatal, clock, log });
  });
  shutdown.add('workers', async () => {
    await Promise.all(processes.map((process) => process.stop(Math.floor(config.stopGraceMs * KILL_SHARE))));
    if (failures.length > 0) throw new Error(`stopping the workers: ${failures.join(', ')} did not stop in order`);
  });
  for (const process of processes) process.start();
  followCertificate(context, tls, () => undefined);
  log.info({ port, workers: count }, 'workers are starting');
}

export function registerWorkerCount(registry: Registry, count: () => number): void {
  const gauge: Gauge = new Gauge({
    name: 'sink_ingest_workers',
    help: 'Processes that receive events on the port. Only with several processes.',
    registers: [registry],
    collect: () => gauge.set(count()),
  });
}

/** Runs the program of this process with the same arguments. */
function launchWorker(
  { args, config, inForce, opsPort }: ServiceContext,
  { count, port, tls }: { count: number; port: number; tls: PortTls | null },
): ChildProcess {
  const [, program = ''] = process.argv;
  // A load balancer asks on the shared port, so a worker's own `/readyz` answers for all of them.
  const ofAll = opsPort === null ? [] : ['--parent-ready', `${addressOf(config.opsHost, opsPort)}/readyz`];
  const configuration = args.configFile === null ? [] : ['--config', args.configFile];
  const own = ['--also-ready', args.alsoReady.join(','), ...ofAll, '--worker-of', String(count)];
  const child = spawn(process.execPath, [...process.execArgv, program, ...configuration, ...own], {
    env: {
      ...readEnvironment(),
      ...HANDED_ENVIRONMENT,
      SINK_PORT: String(port),
      ...(tls === null ? {} : { SINK_TICKET_SALT: tls.ticketSalt }),
      SINK_STOP_GRACE: childStopGrace(config.stopGraceMs, OWN_GRACE_SHARE),
    },
    stdio: ['pipe', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  startWithConfig(child, inForce.handed());
  return child;
}
