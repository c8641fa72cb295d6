import { writeFileSync } from 'node:fs';
import { renderJsonSchema, renderReference } from './reference.ts';

// `npm run docs` runs this. A test compares the files with what it would write.
const docs = new URL('../../../docs/', import.meta.url);
writeFileSync(new URL('configuration.md', docs), renderReference());
writeFileSync(new URL('config.schema.json', docs), renderJsonSchema());
