import { compileFilter, type Filter } from '@sink/cesql';
import type { AttributeValue } from '@sink/cloudevents';
import type { RouteSettings } from '@sink/config';

/** What an event is asked for: the attributes that were cut out of it. */
class CutEvent {
  attributes: readonly AttributeValue[] = [];
  readonly #indexes: ReadonlyMap<string, number>;

  constructor(indexes: ReadonlyMap<string, number>) {
    this.#indexes = indexes;
  }

  get(name: string): AttributeValue {
    const index = this.#indexes.get(name);
    return index === undefined ? undefined : this.attributes[index];
  }
}

/** Which route an event takes: the first whose filter matches. Filters see what was cut out of the event, never its data. */
export class RouteChoice {
  readonly #filters: readonly (Filter | null)[];
  readonly #event: CutEvent;

  /**
   * @param indexOf the index of an attribute among those that are cut out of an event
   * @param failed told of each error of an expression; the event does not match then
   */
  constructor(
    routes: readonly Pick<RouteSettings, 'name' | 'filter'>[],
    indexOf: (name: string) => number,
    failed: (route: string) => void,
  ) {
    this.#filters = routes.map(({ name, filter }) => filter && compileFilter(filter, () => failed(name)));
    const names = new Set(this.#filters.flatMap((filter) => filter?.attributes ?? []));
    this.#event = new CutEvent(new Map([...names].map((name) => [name, indexOf(name)])));
  }

  /** The index of the route; -1: none matches, and the event goes the default way. */
  of(attributes: readonly AttributeValue[]): number {
    const event = this.#event;
    event.attributes = attributes;
    return this.#filters.findIndex((filter) => filter === null || filter.matches(event));
  }
}
