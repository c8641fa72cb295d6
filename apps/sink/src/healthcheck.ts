import { readFileSync } from 'node:fs';
import { loadLeniently, readEnvironment } from '@sink/config';
import { askReadiness } from '@sink/runtime';
import { commandOfContainer, readinessUrl } from './cli/container-health.ts';

/** Shorter than the timeout of HEALTHCHECK in the Dockerfile (5 s), so that the reason is printed. */
const ASK_TIMEOUT_MS = 4_000;

// The HEALTHCHECK of the image: exits with 0 when the command of the container is ready, else with 1.
const { role, configFile } = commandOfContainer(readFileSync('/proc/1/cmdline', 'utf8'));
const env = readEnvironment();
// A file that was changed and has mistakes is refused: the sink works on, and is not unhealthy for it.
const config = loadLeniently(configFile === null ? { env } : { file: configFile, env });
const { ready, text } = await askReadiness(readinessUrl(config, role), ASK_TIMEOUT_MS);
process.stdout.write(`${text}\n`);
process.exit(ready ? 0 : 1);
