import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What STS hands out. */
export interface StsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiresInMs: number;
}

/** STS as far as the sink needs it: AssumeRole and AssumeRoleWithWebIdentity. */
export interface FakeSts {
  readonly url: string;
  /** The parameters of each request, with the access key that signed it; none with web identity. */
  readonly asked: readonly (Readonly<Record<string, string>> & { readonly signedBy?: string })[];
  /** What is handed out next. */
  give: StsCredentials;
  stop(): Promise<void>;
}

/** Starts a fake STS on a free port. */
export async function startSts(first: StsCredentials): Promise<FakeSts> {
  const asked: (Record<string, string> & { signedBy?: string })[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const parameters = Object.fromEntries(new URLSearchParams(Buffer.concat(parts).toString()));
      const signedBy = /Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1];
      asked.push({ ...parameters, ...(signedBy === undefined ? {} : { signedBy }) });
      const { Action: action = '' } = parameters;
      response.writeHead(200, { 'content-type': 'text/xml' }).end(answerOf(action, fake.give));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const fake: FakeSts = {
    url: `http://127.0.0.1:${port}`,
    asked,
    give: first,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return fake;
}

function answerOf(action: string, { accessKeyId, secretAccessKey, sessionToken, expiresInMs }: StsCredentials): string {
  const fields = {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    SessionToken: sessionToken,
    Expiration: new Date(Date.now() + expiresInMs).toISOString(),
  };
  const xml = Object.entries(fields).map(([name, value]) => `<${name}>${value}</${name}>`);
  return `<${action}Response><${action}Result><Credentials>${xml.join('')}</Credentials></${action}Result></${action}Response>`;
}
