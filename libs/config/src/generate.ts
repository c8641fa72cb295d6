import { writeFileSync } from 'node:fs';
import { renderChartSchema, renderLiveKeys } from './chart-schema.ts';
import { renderJsonSchema, renderReference } from './reference.ts';

// `npm run docs` runs this. A test compares the files with what it would write.
const docs = new URL('../../../docs/', import.meta.url);
const chart = new URL('../../../deploy/helm/sink-aws-s3/', import.meta.url);
writeFileSync(new URL('configuration.md', docs), renderReference());
writeFileSync(new URL('config.schema.json', docs), renderJsonSchema());
writeFileSync(new URL('values.schema.json', chart), renderChartSchema());
writeFileSync(new URL('files/live-keys.json', chart), renderLiveKeys());
