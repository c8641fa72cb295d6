import type { Problems } from './problems.ts';
import type { SettingPath, Settings } from './settings.ts';
import type { BucketSettings, Endpoint } from './sink-config.ts';

const KEYS = ['use_fips', 'use_dualstack', 'accelerate'] as const satisfies readonly SettingPath[];

type Address = Pick<Extract<BucketSettings, { readonly kind: 's3' }>, 'useFips' | 'useDualstack' | 'accelerate'>;

/** Which of the addresses of AWS is used. */
export function addressOf({ use_fips: useFips, use_dualstack: useDualstack, accelerate }: Settings): Address {
  return {
    ...(useFips === undefined ? {} : { useFips }),
    ...(useDualstack === undefined ? {} : { useDualstack }),
    ...(accelerate === undefined ? {} : { accelerate }),
  };
}

/** Adds what contradicts itself: AWS refuses it, or the SDK would with each request. */
export function checkAddress(
  settings: Settings,
  bucket: string,
  endpoint: Endpoint | undefined,
  forcePathStyle: boolean,
  problems: Problems,
): void {
  const wanted = KEYS.filter((key) => settings[key] === true);
  if (endpoint !== undefined) {
    for (const key of wanted) {
      const allowed = `false with an endpoint (${endpoint.from}): it chooses among the addresses of AWS, and the endpoint is one address`;
      problems.add(key, allowed, ['endpoint']);
    }
    return;
  }
  if (settings.accelerate !== true) return;
  const mistake = accelerationMistake(settings, bucket, forcePathStyle);
  if (mistake !== undefined) problems.add('accelerate', `false ${mistake}`, ['bucket', 'use_fips', 'force_path_style']);
}

function accelerationMistake(settings: Settings, bucket: string, forcePathStyle: boolean): string | undefined {
  if (forcePathStyle) return 'with force_path_style: acceleration needs the bucket in the host name';
  if (settings.use_fips === true) return 'with use_fips: S3 Transfer Acceleration has no FIPS endpoints';
  if (bucket.startsWith('arn:')) return 'with an access point: S3 Transfer Acceleration is for buckets';
  if (bucket.includes('.')) return 'with a bucket whose name has a dot: S3 Transfer Acceleration has no such names';
  return undefined;
}
