import { distributed } from './chart.ts';
import { drainAndUncordon, evictEach } from './disruptions.ts';
import type { Subject } from './parts.ts';
import { gently, underLoad } from './scene.ts';

/** Everything that replaces pods in order. */
export const rolling: Subject = {
  name: 'rolling',
  about: 'helm upgrade, rollback, evictions and a drain under load fail no request',
  run: (part, setup) =>
    underLoad(part, setup, distributed(), async (scene) => {
      const { namespace, release } = scene;
      const before = await namespace.pods(release.selector);
      await gently(scene, 'helm upgrade of a live key', () => release.upgrade({ config: { flush_size: 500 } }));
      const after = await namespace.pods(release.selector);
      part.check('it replaces no pod', String(after) === String(before), after.join(', '));
      await gently(scene, 'helm upgrade to another image', () => release.upgrade({}, setup.nextImage));
      await gently(scene, 'helm rollback', () => release.rollback());
      await gently(scene, 'eviction of each ingest', () => evictEach(namespace, release.ingest));
      await gently(scene, 'eviction of batcher and uploader', () => evictEach(namespace, release.pipeline));
      await gently(scene, 'drain, and uncordon', () => drainAndUncordon(release, release.selector));
      part.skip('helm upgrade from the last release', 'there is no earlier release of the chart');
    }),
};
