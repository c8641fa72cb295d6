import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@sink/testing';
import { expect, test } from 'vitest';
import { transientStorage } from './transient-storage.ts';

const ROOT = '500 400 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a:/b';
const DISK = '1 0 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw';
const ANONYMOUS = `/var/lib/docker/volumes/${'0123456789abcdef'.repeat(4)}/_data`;

test.each([
  ['a disk', [DISK], null],
  ['a named volume', [ROOT, '510 500 253:0 /docker/volumes/sink-data/_data /data rw - ext4 /dev/vda rw'], null],
  ['a directory of the host', [ROOT, '510 500 253:0 /srv/sink /data rw - ext4 /dev/vda rw'], null],
  ['a volume claim', [ROOT, '510 500 8:0 / /data rw - ext4 /dev/sdb rw'], null],
  [
    'a volume without a name',
    [ROOT, `510 500 253:0 ${ANONYMOUS} /data rw - ext4 /dev/vda rw`],
    'a volume without a name',
  ],
  ['the container itself', [ROOT, '510 500 253:0 /x /database rw - ext4 /dev/vda rw'], 'in the container itself'],
  ['memory', [DISK, '510 500 0:60 / /data rw - tmpfs tmpfs rw,size=1024k'], 'in memory'],
  [
    'memory hidden by a disk',
    [DISK, '5 1 0:60 / /data rw - tmpfs tmpfs rw', '6 5 8:0 / /data rw - ext4 /dev/sdb rw'],
    null,
  ],
  [
    'an emptyDir',
    [ROOT, '5 1 253:0 /var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/spool /data/redis rw - ext4 /dev/vda rw'],
    'emptyDir',
  ],
  ['an unknown system', [], null],
])('%s', (_, mounts, expected) => {
  const found = transientStorage('/data/redis', mounts.join('\n'));
  if (expected === null) expect(found).toBeNull();
  else expect(found).toContain(expected);
});

test('symbolic links and escaped blanks are followed', () => {
  const directory = temporaryDirectory('mount');
  symlinkSync(directory, join(directory, 'link'));
  const mount = `5 1 0:60 / ${directory.replaceAll(' ', '\\040')} rw - tmpfs tmpfs rw`;
  expect(transientStorage(join(directory, 'link', 'not', 'made'), `${DISK}\n${mount}`)).toContain('in memory');
  expect(transientStorage('/my data/redis', `${DISK}\n5 1 0:60 / /my\\040data rw - tmpfs tmpfs rw`)).toContain(
    'in memory',
  );
});
