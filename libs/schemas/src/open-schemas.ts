import { FailureReporter, type Logger, type Clock, WatchedFiles } from '@sink/runtime';
import { SchemaDirectories, type DirectorySettings } from './sources/directories.ts';
import { AllowedHosts, type HostPorts } from './sources/hosts.ts';
import { Registry, type RegistrySettings } from './sources/registries.ts';
import type { Found } from './sources/source.ts';
import { SchemaSources } from './sources/sources.ts';
import { Schemas, type SchemaBounds, type SchemaPorts, SCHEMA_BOUNDS } from './schemas.ts';

export interface SchemaSettings {
  readonly directories: readonly DirectorySettings[];
  readonly registries: readonly (Pick<RegistrySettings, 'kind' | 'url'> & { readonly bearerFile?: string })[];
  readonly allowHosts: readonly string[];
}

export interface OpenPorts {
  readonly clock: Clock;
  readonly log: Logger;
  /** A registry or a host was asked. */
  readonly fetched: (kind: Found['kind']) => void;
  readonly threaded: SchemaPorts['threaded'];
  /** Tests replace how hosts are reached. */
  readonly hosts?: HostPorts;
  readonly bounds?: SchemaBounds;
}

export interface OpenedSchemas {
  readonly schemas: Schemas;
  close(): Promise<void>;
}

/** Opens the sources of schemas: the directories have been looked through when it resolves. */
export async function openSchemas(settings: SchemaSettings, ports: OpenPorts): Promise<OpenedSchemas> {
  const { clock, log, fetched, threaded, hosts, bounds = SCHEMA_BOUNDS } = ports;
  const ended = new AbortController();
  const failures = new FailureReporter(
    { log, clock },
    {
      name: 'directories of schemas',
      failing: 'reading a directory of schemas fails',
      working: 'the directories of schemas can be read again',
    },
  );
  const directories = new SchemaDirectories(settings.directories, {
    clock,
    changed: () => opened.directoriesChanged(),
    problem: (problem) => (problem === null ? failures.succeeded() : failures.failed({ ...problem })),
  });
  const tokens = new WatchedFiles(
    settings.registries.flatMap(({ bearerFile }) => bearerFile ?? []),
    clock,
  );
  let watched = 0;
  const registries = settings.registries.map(({ kind, url, bearerFile }) => {
    if (bearerFile === undefined) return new Registry({ kind, url });
    const index = watched++;
    return new Registry({ kind, url, bearer: () => tokenIn(tokens, index) });
  });
  const source = new SchemaSources(directories, [...registries, new AllowedHosts(settings.allowHosts, hosts)], fetched);
  const opened = new Schemas({ nowMs: () => clock.monotonicMs(), source, threaded }, bounds);
  await directories.look();
  const watching = [directories.watchUntil(ended.signal), tokens.watchUntil(ended.signal, () => undefined)];
  return {
    schemas: opened,
    close: async () => {
      ended.abort();
      for (const registry of registries) registry.close();
      await Promise.all([...watching, opened.close()]);
    },
  };
}

function tokenIn(files: WatchedFiles, index: number): string | null {
  const content = files.contents[index];
  const token = content !== undefined && 'text' in content ? content.text.trim() : '';
  // What a header cannot have is no token.
  return /^[\x21-\x7e]+$/.test(token) ? token : null;
}
