import ipaddr from 'ipaddr.js';

/** All addresses of the Internet are in it; what IPv6 has beside it is local, or carries addresses of IPv4. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** RFC 6052: behind a NAT64 every server with IPv4 has such an address. Its last four bytes are those of IPv4. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
const NAT64_PREFIX_BYTES = 12;

/**
 * Whether an address is one of the Internet: not of this machine, a private or local network, a carrier's, a cloud's
 * metadata (169.254.169.254), and not reserved. An address of IPv6 that carries one of IPv4 is judged by that.
 */
export function isPublicAddress(address: string): boolean {
  // A zone (`fe80::1%eth0`) is only ever that of a local address.
  if (!ipaddr.isValid(address) || address.includes('%')) return false;
  // Takes the IPv4 address out of ::ffff:a.b.c.d.
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return isPublic(parsed);
  if (parsed.match(NAT64)) return isPublic(new ipaddr.IPv4(parsed.toByteArray().slice(NAT64_PREFIX_BYTES)));
  return parsed.match(GLOBAL_UNICAST) && isPublic(parsed);
}

function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return address.range() === 'unicast';
}
