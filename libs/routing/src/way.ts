import { parsedDataOf, timestampMs } from '@sink/cloudevents';
import type { AttributeValue } from '@sink/cloudevents';
import { type Layout, pointerNames, textAt } from '@sink/layout';
import type { PartitionLimit, RoutePaths } from './partition-limit.ts';

export interface WaySettings {
  readonly route: string;
  readonly layout: Layout;
  /** Null: paths have the time of acceptance. */
  readonly eventTime: { readonly lateAfterMs: number; readonly earlyAfterMs: number } | null;
  /** For how long a path counts as one that is appended to. Read at each use. */
  readonly knownMs: () => number;
}

/** Why an event is not at the path that its template says. */
export const ASIDE = ['late', 'early', 'other'] as const;
export type Aside = (typeof ASIDE)[number];

/** Where a value of the path comes from. */
type Source =
  { readonly kind: 'attribute'; readonly index: number } | { readonly kind: 'data'; readonly names: readonly string[] };

/** One route, or the default way: the paths of its events. */
export class Way {
  readonly route: string;
  readonly #layout: Layout;
  readonly #eventTime: WaySettings['eventTime'];
  readonly #limit: PartitionLimit;
  readonly #paths: RoutePaths;
  readonly #sources: readonly Source[];
  readonly #timeIndex: number;
  readonly #needsData: boolean;

  /** @param indexOf the index of an attribute among those that are cut out of an event */
  constructor(
    { route, layout, eventTime, knownMs }: WaySettings,
    limit: PartitionLimit,
    indexOf: (name: string) => number,
  ) {
    this.route = route;
    this.#layout = layout;
    this.#eventTime = eventTime;
    this.#limit = limit;
    this.#paths = limit.add(knownMs);
    this.#sources = layout.variables.map(({ kind, name }): Source => {
      return kind === 'data' ? { kind, names: pointerNames(name) } : { kind, index: indexOf(name) };
    });
    this.#timeIndex = eventTime === null ? -1 : indexOf('time');
    this.#needsData = this.#sources.some(({ kind }) => kind === 'data');
  }

  /**
   * The path of an event.
   * @param attributes those that were cut out of it
   * @param setAside told if it is not where the template says
   */
  pathOf(
    line: string,
    attributes: readonly AttributeValue[],
    acceptedAtMs: number,
    setAside: (reason: Aside) => void,
  ): string {
    const values = this.#valuesOf(line, attributes);
    const { atMs, reason } = this.#timeOf(attributes, acceptedAtMs);
    const path = reason === null ? this.#layout.render(atMs, values) : this.#layout.renderLate(acceptedAtMs, values);
    // The slot of acceptance is one path at a time, whatever producers send.
    const isOneAtATime = this.#layout.isSlot && this.#eventTime === null;
    if (isOneAtATime || this.#limit.admits(this.#paths, path, acceptedAtMs)) {
      if (reason !== null) setAside(reason);
      return path;
    }
    setAside('other');
    return this.#layout.renderOther(acceptedAtMs);
  }

  #valuesOf(line: string, attributes: readonly AttributeValue[]): readonly (string | undefined)[] {
    if (this.#sources.length === 0) return NO_VALUES;
    const data = this.#needsData ? parsedDataOf(line) : undefined;
    return this.#sources.map((source) => {
      if (source.kind === 'data') return textAt(data, source.names);
      const value = attributes[source.index];
      return value === undefined || typeof value === 'string' ? value : String(value);
    });
  }

  #timeOf(attributes: readonly AttributeValue[], acceptedAtMs: number): EventTime {
    const given = this.#eventTime === null ? undefined : attributes[this.#timeIndex];
    if (this.#eventTime === null || typeof given !== 'string') return { atMs: acceptedAtMs, reason: null };
    const atMs = timestampMs(given);
    const { lateAfterMs, earlyAfterMs } = this.#eventTime;
    if (atMs < acceptedAtMs - lateAfterMs) return { atMs, reason: 'late' };
    return { atMs, reason: atMs > acceptedAtMs + earlyAfterMs ? 'early' : null };
  }
}

interface EventTime {
  readonly atMs: number;
  readonly reason: 'late' | 'early' | null;
}

const NO_VALUES: readonly undefined[] = [];
