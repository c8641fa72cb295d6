import { type ProducerSettings, readTextFile, secretFiles } from '@sink/config';

/** Who may send events, in words, without secrets. */
export function producersInWords(producers: readonly ProducerSettings[]): string {
  if (producers.length === 0) return 'whoever reaches the port: there are no producers';
  return producers.map(inWords).join('; ');
}

function inWords({ name, credential, limits, only }: ProducerSettings): string {
  const limited = Object.values(limits).some((limit) => limit !== null) ? ', with limits' : '';
  const some = only.types === null && only.sources === null ? '' : ', some types or sources only';
  return `${name} (${howKnown(credential)}${limited}${some})`;
}

function howKnown(credential: ProducerSettings['credential']): string {
  switch (credential.kind) {
    case 'basic':
      return `basic, user ${credential.user}`;
    case 'bearer':
      return credential.header === null ? 'bearer token' : `token in the header ${credential.header}`;
    case 'query':
      return `token in the parameter ${credential.parameter}`;
    case 'jwt':
      return `JWT of ${credential.issuer}`;
    case 'hmac':
      return `signature, ${credential.scheme}`;
    case 'mtls':
      return 'client certificate';
  }
}

/** The files of producers that cannot be read, and those that let nobody in. */
export function checkProducerFiles(producers: readonly ProducerSettings[]): {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
} {
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const producer of producers) {
    for (const file of secretFiles(producer)) {
      const content = readTextFile(file);
      if (content === 'missing') problems.push(`${producer.name}: ${file} does not exist`);
      else if ('failure' in content) problems.push(`${producer.name}: ${file} cannot be read: ${content.failure}`);
      else if (content.text.trim() === '') warnings.push(`${producer.name}: ${file} is empty; it lets nobody in`);
    }
  }
  return { problems, warnings };
}
