import { attributeCutter, type CutAttributes } from '@sink/cloudevents';
import { PartitionLimit } from './partition-limit.ts';
import { type Aside, Way, type WaySettings } from './way.ts';

/** The events of a request that go to one path. */
export interface RoutedPart {
  readonly route: string;
  readonly path: string;
  readonly lines: readonly string[];
  readonly dedupe: true;
}

/** Where the events of a request go. */
export interface Routed {
  readonly parts: readonly RoutedPart[];
  /** Why some of them are not at the path that a template says, one reason for each. */
  readonly aside: readonly Aside[];
}

/** Says where events go. There is none while the configuration sends every event to the hour or day of its acceptance. */
export interface Routing {
  route(lines: readonly string[], acceptedAtMs: number): Routed;
}

/** Sends each event to its path. Events of one path stay in their order, and are one part. */
export class Router implements Routing {
  readonly #cut: CutAttributes;
  readonly #way: Way;

  constructor(settings: WaySettings, partitionsMax: number) {
    const names: string[] = [];
    const indexOf = (name: string): number => {
      if (!names.includes(name)) names.push(name);
      return names.indexOf(name);
    };
    this.#way = new Way(settings, new PartitionLimit(partitionsMax), indexOf);
    this.#cut = attributeCutter(names);
  }

  route(lines: readonly string[], acceptedAtMs: number): Routed {
    const aside: Aside[] = [];
    const setAside = (reason: Aside): void => void aside.push(reason);
    const way = this.#way;
    const byPath = new Map<string, string[]>();
    for (const line of lines) {
      const path = way.pathOf(line, this.#cut(line), acceptedAtMs, setAside);
      const same = byPath.get(path);
      if (same === undefined) byPath.set(path, [line]);
      else same.push(line);
    }
    const parts = Array.from(byPath, ([path, ofPath]): RoutedPart => {
      return { route: way.route, path, lines: ofPath, dedupe: true };
    });
    return { parts, aside };
  }
}
