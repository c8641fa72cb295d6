import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

it('the methods of strings are found fast again after a class has extended String', () => {
  const script = `
    const { makeStringsFast } = await import(${JSON.stringify(new URL('process.ts', import.meta.url).href)});
    const fast = () => %HasFastProperties(String.prototype);
    const seen = [fast()];
    class Extended extends String {}
    seen.push(fast());
    makeStringsFast();
    seen.push(fast());
    console.log(seen.join(' '));`;
  const args = ['--allow-natives-syntax', '--input-type=module', '--eval', script];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8' }).trim()).toBe('true false true');
});
