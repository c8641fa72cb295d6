import { z } from 'zod';
import type { CamelCase } from './camel-case.ts';
import { awsKeys, awsMistakes, type AwsValues } from './aws-keys.ts';
import { field, optionalBoolean } from './field.ts';
import { mapping, mappings, nameByName, requiredText, type Rule } from './nested.ts';
import { ownKeys } from './own-keys.ts';
import { partitionKeys } from './partition-keys.ts';
import { bucketKey, prefixKey } from './place-keys.ts';
import { putKeys } from './put-keys.ts';
import { sizeKeys } from './size-keys.ts';

const ROUTES_MAX = 100;
const NAME = /^[a-z0-9-]{1,40}$/;

/** The keys that say what another route, or the top level, may say otherwise. */
export const routeKeys = ownKeys({
  bucket: bucketKey,
  prefix: prefixKey,
  ...putKeys,
  ...sizeKeys,
  ...partitionKeys,
});

/** How events are chosen, in a dialect of the CloudEvents Subscriptions API. */
export type FilterSpec = Readonly<Record<string, unknown>>;

const route = {
  name: requiredText(
    NAME,
    '1 to 40 lower-case letters, digits and hyphens',
    'The name of the route in records, metrics and logs. Keep it while events of the route wait.',
  ),
  filter: field(
    z.record(z.string(), z.unknown()).optional(),
    'a mapping with one of exact, prefix, suffix, all, any, not, sql',
    'Which events take this route. Default: all.',
  ),
  drop: optionalBoolean('Whether events of this route are acknowledged and not stored. Default: false.'),
  ...routeKeys,
  aws: mapping(
    awsKeys,
    'The credentials of this route. With a key or a profile, nothing of `aws` of the top level counts; with only a role, it is assumed with those. Default: `aws` of the top level.',
    checkAws,
  ),
};

function checkAws(aws: AwsValues, context: z.RefinementCtx): void {
  const mistakes = awsMistakes(aws);
  for (const [key, message] of mistakes) context.addIssue({ code: 'custom', message, path: [key] });
  for (const key of ['access_key_id', 'secret_access_key', 'session_token'] as const) {
    if (aws[key] === undefined || aws[`${key}_file`] === undefined) continue;
    context.addIssue({ code: 'custom', message: `one of ${key} and ${key}_file`, path: [key] });
  }
}

/** A route that drops stores nothing, so it says nothing else. */
const each: Rule<{ readonly drop?: boolean | undefined; readonly filter?: unknown }> = (given, context) => {
  if (given.drop !== true) return;
  // A filter whose lines are commented out is empty, and counts as not given.
  if (given.filter === undefined) {
    const message = "a mapping: drop: true without a filter would drop every event (if that is meant: sql: 'TRUE')";
    context.addIssue({ code: 'custom', message, path: ['filter'] });
  }
  for (const key of [...Object.keys(routeKeys), 'aws']) {
    if (Reflect.get(given, key) === undefined) continue;
    context.addIssue({
      code: 'custom',
      message: 'nothing in a route with drop: true, which stores nothing',
      path: [key],
    });
  }
};

/** The key `routes`. */
export const routesField = mappings(
  route,
  'Where events go: each takes the first route whose filter matches, and the default way if there is none. A route says what is different from the top level.',
  {
    itemsMax: ROUTES_MAX,
    each,
    all: (given, context) => {
      const names = new Set<string>();
      for (const [index, { name }] of given.entries()) {
        if (names.has(name)) {
          context.addIssue({ code: 'custom', message: 'a name that no other route has', path: [index, 'name'] });
        }
        names.add(name);
      }
    },
  },
);

/** The key `routes_retired`. */
export const retiredField = nameByName(
  NAME,
  ROUTES_MAX,
  `a mapping of at most ${ROUTES_MAX} names that are not in routes to names that are, or _default; or text "old=target,…"`,
  'Where events go that wait for a route which is not in `routes` any more: old name to the name of a route, or to `_default`. They keep their path, and all else is that of the target.',
);

/** A route as it is given; what is absent comes from the top level. */
export type GivenRoute = NonNullable<z.output<typeof routesField.schema>>[number];

type RouteKeys = typeof routeKeys;
type OwnValueOf<Key extends keyof RouteKeys> = Exclude<z.output<RouteKeys[Key]['schema']>, undefined>;

/** What a route says itself, under the names of SinkConfig. */
export type OwnValues = {
  readonly [
    Key in Exclude<keyof RouteKeys, 'bucket'> as `${CamelCase<Key>}${RouteKeys[Key]['unit']}`
  ]?: OwnValueOf<Key>;
};
