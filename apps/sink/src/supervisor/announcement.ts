import { join } from 'node:path';
import { formatBytes, formatDuration, layoutOf, portAddress } from '@sink/config';
import type { SinkConfig } from '@sink/config';

/** What a user needs to know of a sink that has just become ready. */
export interface Announcement {
  readonly post: string;
  readonly objects: string;
  readonly when: string;
  readonly example: string;
}

export function announcement(config: SinkConfig, nowMs: number): Announcement {
  const post = `${portAddress(config)}/`;
  const event = '{"specversion":"1.0","id":"1","source":"/hello","type":"hello","data":{"hello":"world"}}';
  return {
    post,
    objects: objectsPath(config, nowMs),
    when: closedWhen(config),
    // The certificate is for the name by which clients know the sink, not for this machine.
    example: `curl -i${config.tlsCertFile === null ? '' : ' -k'} ${post} -H 'Content-Type: application/cloudevents+json' -d '${event}'`,
  };
}

/** Where an event that is accepted now will be stored: the folder of this hour (or other time), or the template of its path. */
export function objectsPath(config: SinkConfig, nowMs: number): string {
  const layout = layoutOf(config);
  const folder = layout.isSlot ? layout.render(nowMs, []) : config.path;
  const key = `${config.prefix}${folder}/`;
  return config.bucket.kind === 's3' ? `s3://${config.bucket.name}/${key}` : join(config.bucket.directory, key);
}

/** "after 1000 events, 128 MiB or 60 s". */
export function closedWhen({ flushSize, flushBytes, targetObjectSize, scheduledIntervalMs }: SinkConfig): string {
  const bytes =
    targetObjectSize === null
      ? formatBytes(flushBytes)
      : `${formatBytes(targetObjectSize)} in the bucket, ${formatBytes(flushBytes)} before compression`;
  return `after ${flushSize} events, ${bytes} or ${formatDuration(scheduledIntervalMs)}, whichever comes first`;
}

/** Events are taken, but they do not get to the bucket. */
export function takingText({ post, objects }: Pick<Announcement, 'post' | 'objects'>): string {
  return `not everything works yet: events are taken at ${post} and kept; objects appear in ${objects} once the problems are solved`;
}

/** For people, on a terminal. `problems`: why events are taken, but do not get to the bucket. */
export function announcementText(
  { post, objects, when, example }: Announcement,
  problems: readonly string[] = [],
): string {
  const state =
    problems.length === 0
      ? 'sink-aws-s3 is ready.'
      : ['sink-aws-s3 takes events and keeps them, but not everything works yet:', ...problems.map(indented)].join(
          '\n',
        );
  return `
${state}

  Post CloudEvents to  ${post}
  Objects appear in    ${objects}
                       ${when}
  For example:
    ${example}

  Ctrl-C stops it, after it has uploaded every accepted event.

`;
}

function indented(problem: string): string {
  return `  - ${problem.replaceAll('\n', '\n    ')}`;
}
