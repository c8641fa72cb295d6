import { type Refusal, unavailable } from '../http/answers.ts';

/** The answer to no or wrong credentials. @param challenges of WWW-Authenticate, which has at least one */
export function unauthorized(challenges: readonly string[]): Refusal {
  return {
    status: 401,
    reason: 'credentials',
    message: 'the request has no credentials of a producer, or wrong ones',
    headers: { 'WWW-Authenticate': challenges.join(', ') },
  };
}

/** The answer to a credential that is given twice: nobody can say which one counts. */
export function givenTwice(what: string, stranger: Refusal): Refusal {
  return { ...stranger, reason: 'credentials_twice', message: `${what} is given twice` };
}

/** The answer to a body with another signature. */
export function wrongSignature(stranger: Refusal): Refusal {
  return { ...stranger, reason: 'signature', message: 'the signature is not that of the body' };
}

/** The answer to credentials that are right, and not enough. */
export function forbidden(message: string): Refusal {
  return { status: 403, reason: 'forbidden', message };
}

/** The answer to events that the producer may not send. */
export function notAllowed(producer: string, what: string): Refusal {
  return { status: 403, reason: 'not_allowed', message: `the producer ${producer} may not send ${what}` };
}

export function keysAway(message: string): Refusal {
  return unavailable('keys_away', message);
}
