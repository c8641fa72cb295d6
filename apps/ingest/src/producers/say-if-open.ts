import type { ServiceContext } from '@sink/runtime';

/** Says that the port is open to everybody: at the start of ingest, not of each worker, and when a change opens it. */
export function sayIfOpen({
  args,
  config,
  inForce,
  log,
}: Pick<ServiceContext, 'args' | 'config' | 'inForce' | 'log'>): void {
  if (args.workerOf !== null) return;
  const noTls = config.tlsCertFile === null ? ' and no TLS' : '';
  let wasOpen = false;
  const say = (isOpen: boolean): void => {
    if (isOpen && !wasOpen) log.info(`there are no producers${noTls}: whoever reaches the port can send events`);
    wasOpen = isOpen;
  };
  say(config.producers.length === 0);
  inForce.onChange(({ producers }) => say(producers.length === 0));
}
