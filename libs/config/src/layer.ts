import type { Environment } from './environment.ts';
import { environmentName, findSection, findSetting, nearestSetting } from './keys.ts';
import { isTree } from './nested.ts';
import type { ConfigProblem, Given, GivenSettings } from './problems.ts';
import { isSettingPath, settingPaths, type SettingPath } from './settings.ts';
import { replaceVariables } from './variables.ts';

/** All values of one source by key, and the mistakes in its keys. */
export interface Layer {
  readonly given: GivenSettings;
  readonly problems: readonly ConfigProblem[];
}

/** Variables `SINK_…` that are not settings. */
const OTHER_NAMES: readonly string[] = [
  'SINK_REDIS_SERVER',
  'SINK_DISK_FLOOR',
  'SINK_CONFIG_HANDED',
  'SINK_TICKET_SALT',
];

/** Collects the settings of one source and reports unknown keys and keys that are given twice. */
class LayerBuilder implements Layer {
  readonly given = new Map<SettingPath, Given>();
  readonly problems: ConfigProblem[] = [];
  readonly #spelling = new Map<SettingPath, string>();

  add(path: SettingPath, spelling: string, given: unknown, origin: string, env?: Environment): void {
    const { value, unset } = env === undefined ? { value: given } : replaceVariables(given, env);
    if (unset !== undefined) {
      this.problems.push({
        key: path,
        given: `the variable ${unset}, which is not set (${origin})`,
        allowed: 'a variable of the environment that is set, or $${ for a literal ${',
      });
      return;
    }
    // A key without a value (`region:` in YAML) counts as not given.
    if (value === null || value === undefined) return;
    const other = this.#spelling.get(path);
    if (other !== undefined) {
      this.problems.push({
        key: path,
        given: `twice, as ${other} and as ${spelling} (${origin})`,
        allowed: 'one of the two',
      });
      return;
    }
    this.#spelling.set(path, spelling);
    this.given.set(path, { value, origin, written: given });
  }

  unknown(key: string, origin: string, nearest: string | undefined): void {
    // The value is not shown, because it may be a secret with a mistake in its key.
    this.problems.push({
      key,
      given: `a key that does not exist (${origin})`,
      allowed: `the keys of docs/configuration.md${nearest === undefined ? '' : `; did you mean ${nearest}?`}`,
    });
  }

  /** A secret and its file must not both be given. */
  finish(): Layer {
    for (const [path, given] of this.given) {
      const file = fileKeyOf(path);
      if (file === undefined || !this.given.has(file)) continue;
      this.problems.push({
        key: path,
        given: `together with ${file} (${given.origin})`,
        allowed: 'one of the two',
      });
    }
    return this;
  }
}

/** The key of the file that contains the value of this key. */
function fileKeyOf(path: SettingPath): SettingPath | undefined {
  const file = `${path}_file`;
  return isSettingPath(file) ? file : undefined;
}

/** The key whose value is in the file of this key. */
export function valueKeyOf(path: SettingPath): SettingPath | undefined {
  const value = path.replace(/_file$/, '');
  return value !== path && isSettingPath(value) ? value : undefined;
}

/**
 * The settings of a parsed file, or of the caller.
 * @param env replaces the variables in values, if given
 */
export function treeLayer(tree: Readonly<Record<string, unknown>>, origin: string, env?: Environment): Layer {
  const layer = new LayerBuilder();
  for (const [key, value] of Object.entries(tree)) {
    const section = findSection(key);
    const path = findSetting(key);
    if (section !== undefined && isTree(value)) {
      for (const [inner, innerValue] of Object.entries(value)) {
        const spelling = `${key}.${inner}`;
        const innerPath = findSetting(inner, section);
        if (innerPath) layer.add(innerPath, spelling, innerValue, origin, env);
        else layer.unknown(spelling, origin, nearestSetting(spelling));
      }
    } else if (section !== undefined) {
      if (value !== null) {
        const inside = settingPaths.filter((candidate) => candidate.startsWith(`${section}.`));
        layer.problems.push({
          key: section,
          given: `a single value (${origin})`,
          allowed: `a section with ${inside.slice(0, 3).join(', ')}, …`,
        });
      }
    } else if (path !== undefined) {
      layer.add(path, key, value, origin, env);
    } else if (key !== '$schema') {
      layer.unknown(key, origin, nearestSetting(key));
    }
  }
  return layer.finish();
}

/**
 * The settings of the environment. An empty variable counts as not set, because Compose files produce such variables.
 */
export function environmentLayer(env: Environment): Layer {
  const layer = new LayerBuilder();
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('SINK_') || value === undefined || value === '') continue;
    if (OTHER_NAMES.includes(name) || isServiceLink(name, value)) continue;
    const key = name.slice('SINK_'.length);
    const path = findSetting(key);
    if (path) layer.add(path, name, value, `environment ${name}`);
    else {
      const nearest = nearestSetting(key);
      layer.unknown(name, 'environment', nearest === undefined ? undefined : environmentName(nearest));
    }
  }
  return layer.finish();
}

/**
 * Kubernetes and Docker links set variables for every service: a service `sink` sets SINK_PORT=tcp://10.0.0.1:80, and
 * `sink-aws-s3`, the name in the original connector's example, sets SINK_AWS_S3_SERVICE_HOST. These are not settings.
 */
function isServiceLink(name: string, value: string): boolean {
  return (
    /_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$/.test(name) ||
    /_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value))
  );
}

/** Later layers override earlier ones. A secret and its file count as one key. */
export function mergeLayers(layers: readonly Layer[]): Map<SettingPath, Given> {
  const merged = new Map<SettingPath, Given>();
  for (const layer of layers) {
    for (const [path, given] of layer.given) {
      const partner = fileKeyOf(path) ?? valueKeyOf(path);
      if (partner !== undefined) merged.delete(partner);
      merged.set(path, given);
    }
  }
  return merged;
}
