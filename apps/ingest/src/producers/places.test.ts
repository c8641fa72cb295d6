import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { Places } from './places.ts';

it.each(['constructor', 'toString', '__proto__'])('a request has no header %s unless it sends one', (name) => {
  const place = new Places('salt').header(name);
  expect(place.find(new IncomingMessage(new Socket()))).toBeNull();
});
