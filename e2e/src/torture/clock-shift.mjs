/**
 * Loaded into a service before its code (`node --import`): its wall clock is off by as many milliseconds as the file says
 * that `TORTURE_CLOCK` names. Monotonic time and timers go on as they are, as when somebody sets a machine's clock.
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
