import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Due, DueQueue } from './due-queue.ts';

interface Item extends Due {
  readonly name: number;
}

test('its head is always what comes due first, whatever was added, moved and removed', () => {
  const step = fc.record({ name: fc.nat(30), dueMs: fc.integer({ min: -5, max: 50 }), isRemoval: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new DueQueue<Item>();
      const items = Array.from({ length: 31 }, (_, name): Item => ({ name, dueMs: 0, place: -1 }));
      const expected = new Map<number, number>();
      for (const { name, dueMs, isRemoval } of steps) {
        const item = items[name];
        if (item === undefined) continue;
        if (isRemoval) queue.remove(item);
        else queue.put(item, dueMs);
        if (isRemoval) expected.delete(name);
        else expected.set(name, dueMs);
        expect(queue.first?.dueMs).toBe(expected.size === 0 ? undefined : Math.min(...expected.values()));
      }
      const drained: number[] = [];
      for (let { first } = queue; first !== undefined; { first } = queue) {
        drained.push(first.dueMs);
        queue.remove(first);
      }
      expect(drained).toEqual([...expected.values()].sort((a, b) => a - b));
    }),
  );
});
