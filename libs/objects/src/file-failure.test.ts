import { describe, expect, it } from 'vitest';
import { classifyFileFailure } from './file-failure.ts';

describe('what a failure of the disk means', () => {
  it.each([
    ['ENOSPC', 'disk_full', 'operator'],
    ['EDQUOT', 'disk_full', 'operator'],
    ['EACCES', 'access_denied', 'operator'],
    ['EROFS', 'access_denied', 'operator'],
    ['EIO', 'disk_error', 'operator'],
    ['ENAMETOOLONG', 'bad_key', 'operator'],
    ['EMFILE', 'unexpected', 'transient'],
    ['ENOENT', 'unexpected', 'transient'],
  ])('%s is %s (%s)', (code, expectedCode, kind) => {
    const failure = classifyFileFailure(Object.assign(new Error(code), { code }), '/data');
    expect(failure).toMatchObject({ code: expectedCode, kind });
    expect(failure.kind !== 'operator' || failure.remedy !== undefined).toBe(true);
  });
});
