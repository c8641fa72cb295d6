import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A rule left out, as edits of the shipped sources. */
export interface Mutation {
  readonly name: string;
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[];
}

/**
 * Writes a copy of the repository with one mutation to `target`; dependencies are links to the installed ones, the
 * project's own packages links to the copy.
 * @throws when an edit does not match exactly once: a mutation that changes nothing proves nothing
 */
export async function writeMutant(repository: string, target: string, mutation: Mutation): Promise<void> {
  const projects = [...(await projectsIn(repository, 'libs')), ...(await projectsIn(repository, 'apps')), 'e2e'];
  for (const project of projects) {
    await cp(join(repository, project, 'src'), join(target, project, 'src'), { recursive: true });
    for (const file of ['package.json', 'vitest.config.ts']) {
      await cp(join(repository, project, file), join(target, project, file));
    }
  }
  await cp(join(repository, 'vitest.suite.ts'), join(target, 'vitest.suite.ts'));
  await linkDependencies(repository, target, projects);
  for (const { file, from, to } of mutation.edits) {
    const source = await readFile(join(target, file), 'utf8');
    const found = source.split(from).length - 1;
    if (found !== 1)
      throw new Error(`mutation "${mutation.name}": ${found} places in ${file} read ${JSON.stringify(from)}`);
    await writeFile(
      join(target, file),
      source.replace(from, () => to),
    );
  }
}

async function projectsIn(repository: string, folder: string): Promise<string[]> {
  return (await readdir(join(repository, folder))).map((name) => `${folder}/${name}`);
}

async function linkDependencies(repository: string, target: string, projects: readonly string[]): Promise<void> {
  const modules = join(target, 'node_modules');
  await mkdir(join(modules, '@sink'), { recursive: true });
  for (const name of await readdir(join(repository, 'node_modules'))) {
    if (name !== '@sink') await symlink(join(repository, 'node_modules', name), join(modules, name));
  }
  for (const project of projects) {
    const name = project.split('/').at(-1) ?? project;
    await symlink(join(target, project), join(modules, '@sink', name));
  }
}
