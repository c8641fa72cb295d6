/** How an object's bytes are compressed; fixed at seal and part of the record. */
export type Compression = 'none' | 'gzip' | 'zstd';
