/** In a service (NODE_OPTIONS=--import): writes into a file of its own whether V8 has its fast way to strings' methods. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--allow-natives-syntax');
const isFast = new Function('return %HasFastProperties(String.prototype)');
const { STRINGS_DIRECTORY: directory = '' } = process.env;
setInterval(() => writeFileSync(join(directory, String(process.pid)), String(isFast())), 100).unref();
