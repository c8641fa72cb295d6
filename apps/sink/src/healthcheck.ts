import { readFileSync } from 'node:fs';
import { loadConfig, readEnvironment } from '@sink/config';
import { askReadiness, commandOfContainer, readinessUrl } from './cli/container-health.ts';

// HEALTHCHECK of the image: 0 when what the container runs is ready, else 1.
const { role, configFile } = commandOfContainer(readFileSync('/proc/1/cmdline', 'utf8'));
const env = readEnvironment();
const config = loadConfig(configFile === null ? { env } : { file: configFile, env });
const { ready, said } = await askReadiness(readinessUrl(config, role));
process.stdout.write(`${said}\n`);
process.exit(ready ? 0 : 1);
