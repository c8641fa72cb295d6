import { choice, optionalInteger } from './field.ts';

/** How an object is made and put: keys of the top level, and of each of `routes`. */
export const putKeys = {
  compression: choice(['none', 'gzip', 'zstd'], 'none', 'The compression of objects.'),
  compression_level: optionalInteger(
    1,
    22,
    '1 to 9 with gzip, 1 to 22 with zstd; a higher level makes smaller objects and is slower. No effect without compression. Default: that of the codec.',
  ),
};
