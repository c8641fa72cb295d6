import { attributeCutter, type CutAttributes } from '@sink/cloudevents';
import type { RouteSettings } from '@sink/config';
import { PartitionLimit } from './partition-limit.ts';
import { RouteChoice } from './route-choice.ts';
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
  /** The route that drops it, for each event that is not stored; absent: all are. */
  readonly dropped?: readonly string[];
}

/** Says where events go. There is none while the configuration sends every event to the hour or day of its acceptance. */
export interface Routing {
  route(lines: readonly string[], acceptedAtMs: number): Routed;
}

/** A route: which events take it, and where they go. */
export interface RouteOfRouter extends Pick<RouteSettings, 'name' | 'filter'> {
  /** Null: they are dropped. */
  readonly way: WaySettings | null;
}

/** A way, with the events of the request that go it. */
interface Going {
  readonly way: Way;
  readonly byPath: Map<string, string[]>;
}

/** Sends each event to its route and path. Events of one path stay in their order, and are one part. */
export class Router implements Routing {
  readonly #cut: CutAttributes;
  readonly #choice: RouteChoice | null;
  readonly #defaultWay: Way;
  readonly #routes: readonly { readonly name: string; readonly way: Way | null }[];

  /** @param failed told of each error of a filter's expression */
  constructor(
    settings: WaySettings,
    partitionsMax: number,
    routes: readonly RouteOfRouter[] = [],
    failed: (route: string) => void = () => undefined,
  ) {
    const names: string[] = [];
    const indexOf = (name: string): number => {
      if (!names.includes(name)) names.push(name);
      return names.indexOf(name);
    };
    const limit = new PartitionLimit(partitionsMax);
    this.#defaultWay = new Way(settings, limit, indexOf);
    this.#routes = routes.map(({ name, way }) => ({ name, way: way && new Way(way, limit, indexOf) }));
    this.#choice = routes.length === 0 ? null : new RouteChoice(routes, indexOf, failed);
    this.#cut = attributeCutter(names);
  }

  route(lines: readonly string[], acceptedAtMs: number): Routed {
    const aside: Aside[] = [];
    const dropped: string[] = [];
    const setAside = (reason: Aside): void => void aside.push(reason);
    const going = new Map<Way, Going>();
    for (const line of lines) {
      const attributes = this.#cut(line);
      const route = this.#choice === null ? undefined : this.#routes[this.#choice.of(attributes)];
      const way = route === undefined ? this.#defaultWay : route.way;
      if (way === null) {
        dropped.push(route?.name ?? '');
        continue;
      }
      const path = way.pathOf(line, attributes, acceptedAtMs, setAside);
      let goes = going.get(way);
      if (goes === undefined) going.set(way, (goes = { way, byPath: new Map() }));
      const same = goes.byPath.get(path);
      if (same === undefined) goes.byPath.set(path, [line]);
      else same.push(line);
    }
    const parts = [...going.values()].flatMap(({ way, byPath }) =>
      Array.from(byPath, ([path, ofPath]): RoutedPart => ({ route: way.route, path, lines: ofPath, dedupe: true })),
    );
    return dropped.length === 0 ? { parts, aside } : { parts, aside, dropped };
  }
}
