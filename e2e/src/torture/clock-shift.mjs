/**
 * Loaded into a service before its code (`node --import`). It shifts the wall clock by the milliseconds in the file
 * that `TORTURE_CLOCK` names. Monotonic time and timers do not change, as when the clock of a machine is set.
 */
import { readFileSync } from 'node:fs';

const LOOK_EVERY_MS = 100;
const file = process.env.TORTURE_CLOCK;
const RealDate = Date;
let offsetMs = 0;

function look() {
  try {
    offsetMs = Number(readFileSync(file, 'utf8'));
  } catch {
    offsetMs = 0;
  }
}

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + offsetMs);
    else super(...args);
  }
  static now() {
    return RealDate.now() + offsetMs;
  }
};
look();
setInterval(look, LOOK_EVERY_MS).unref();
