/** A host (name, IPv4 or IPv6 without brackets) and a TCP port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * `host:port`, `host`, `[v6]:port`, `[v6]` -> its parts; undefined if it is not an address, or if it has no port and
 * there is no default.
 */
export function parseHostPort(given: string, defaultPort: number | undefined): HostPort | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i.exec(given.trim());
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (host === undefined || port === undefined || port < 1 || port > 65_535) return undefined;
  return { host, port };
}

/** With a host that this machine can connect to. */
export function addressOf(host: string, port: number, scheme: 'http' | 'https' = 'http'): string {
  const reachable = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `${scheme}://${reachable}:${port}`;
}

/** Where events are posted. */
export function portAddress(at: { readonly host: string; readonly port: number; readonly tlsCertFile: string | null }) {
  return addressOf(at.host, at.port, at.tlsCertFile === null ? 'http' : 'https');
}
