import { writeFileSync } from 'node:fs';
import { renderJsonSchema, renderReference } from './reference.ts';

// Run by `npm run docs`; a test compares the files with what this would write.
const docs = new URL('../../../docs/', import.meta.url);
writeFileSync(new URL('configuration.md', docs), renderReference());
writeFileSync(new URL('config.schema.json', docs), renderJsonSchema());
