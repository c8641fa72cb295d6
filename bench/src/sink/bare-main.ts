/**
 * The reference of all figures: one process of node:http that parses the body as JSON and answers 202. It stores
 * nothing. Prints `listening on URL`.
 */
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

const NO_BODY = { 'Content-Length': '0' };

const take: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const [first, second] = chunks;
    JSON.parse((second === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(chunks)).toString('utf8'));
    response.writeHead(202, NO_BODY);
    response.end();
  });
};
// With the paths of a certificate and its key, it speaks HTTPS.
const [certFile, keyFile] = process.argv.slice(2);
const server =
  certFile === undefined || keyFile === undefined
    ? createServer(take)
    : createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, take);
server.keepAliveTimeout = 100_000;
server.listen(0, '127.0.0.1', () => {
  console.log(
    `listening on ${certFile === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
  );
});
