import { fullFormats } from 'ajv-formats/dist/formats.js';
import { FORMATS } from './keywords.ts';

type Formats = typeof fullFormats;

/** The functions and regular expressions of the formats that are checked. It has no prototype, whose members are no formats. */
export const formats: Pick<Formats, (typeof FORMATS)[number]> = Object.assign(
  Object.create(null),
  Object.fromEntries(FORMATS.map((name) => [name, fullFormats[name]])),
) as Formats;
