export { createObjectReader, createObjectStore } from './create-object-store.ts';
export { IAM_USES, iamPolicy } from './iam-policy.ts';
export type { IamUse, PutNeeds } from './iam-policy.ts';
export { bucketNamed, placeOf } from './place.ts';
export { PROBE_NAME } from './object-store.ts';
export type { FoundObject, ListedObject, ObjectReader, ObjectStore, ObjectToPut } from './object-store.ts';
export { ObjectStoreError } from './object-store-error.ts';
