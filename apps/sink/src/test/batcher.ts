import { runScripted } from './scripted-service.ts';

await runScripted('batcher');
