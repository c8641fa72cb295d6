const SETGID = 0o2000;

/** File modes below `data_dir`, where events are stored. */
export interface PrivateModes {
  readonly file: number;
  readonly directory: number;
}

const OF_USER: PrivateModes = { file: 0o600, directory: 0o700 };
const OF_GROUP: PrivateModes = { file: 0o660, directory: 0o2770 };

/**
 * The modes in a directory with this mode: only its user has access, unless the directory hands its group on (setgid). An
 * operator or Kubernetes (fsGroup) has then given the group access, so that the next process may have another user.
 */
export function privateModes(directoryMode: number): PrivateModes {
  return (directoryMode & SETGID) === 0 ? OF_USER : OF_GROUP;
}
