import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProcess, temporaryDirectory } from '@sink/testing';

const REPOSITORY = join(import.meta.dirname, '../../..');
/** The address in the guides, which the test replaces by that of its sink. */
const ADDRESS = 'http://localhost:8080';

/** What package clients say when their registry cannot be reached, or has not got the package here. */
const NOT_TO_BE_HAD =
  /time(d )?-?out|unreachable|could not resolve|could not transfer|name resolution|connection (refused|reset)|403 Forbidden|not available/i;

/** The packages of a guide cannot be installed here, which is not its fault. */
export class PackagesUnavailable extends Error {}

interface Block {
  readonly language: string;
  /** What follows the language: the name of a file, or what the block is for. */
  readonly title: string;
  readonly text: string;
}

/** A guide of docs/guides: its blocks of code that have a title. */
export class Guide {
  readonly #blocks: readonly Block[];

  constructor(name: string) {
    const text = readFileSync(join(REPOSITORY, `docs/guides/${name}.md`), 'utf8');
    const found = text.matchAll(/^```(\w+) ([\w.\-/]+)\n([^]*?)^```$/gm);
    this.#blocks = [...found].map(([, language = '', title = '', text = '']) => ({ language, title, text }));
  }

  /** The text of the file with this name. */
  file(name: string): string {
    const [block, another] = this.#blocks.filter(({ title }) => title === name);
    if (block === undefined || another !== undefined) throw new Error(`the guide needs one ${name}`);
    return block.text;
  }

  /** What the guide says that is stored, in its order. The SDKs may add a time, which differs. */
  stored(): Record<string, unknown>[] {
    return this.file('stored')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /**
   * Writes the files of the guide into a folder and runs its commands there, each after the one before.
   * @throws with what a command printed, if it fails; PackagesUnavailable
   */
  async run(
    sink: string,
    { install, edit = (text) => text }: { readonly install: boolean; readonly edit?: (text: string) => string },
  ): Promise<string> {
    const folder = temporaryDirectory('guide');
    const commands: { readonly text: string; readonly installs: boolean }[] = [];
    for (const { title, text } of this.#blocks) {
      const here = edit(text.replaceAll(ADDRESS, sink));
      if (title === 'run' || (title === 'install' && install))
        commands.push({ text: here, installs: title === 'install' });
      else if (title.includes('.')) {
        mkdirSync(join(folder, title, '..'), { recursive: true });
        writeFileSync(join(folder, title), here);
      }
    }
    if (!install) symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
    let printed = '';
    for (const { text, installs } of commands) {
      const shell = await startProcess({ command: 'sh', args: ['-ec', text], cwd: folder });
      const { code } = await shell.exited;
      printed += shell.output();
      if (code === 0) continue;
      if (installs && NOT_TO_BE_HAD.test(printed)) throw new PackagesUnavailable(printed.trim().slice(-300));
      throw new Error(`${text}exited with ${code ?? 'a signal'}:\n${printed}`);
    }
    return printed;
  }
}
