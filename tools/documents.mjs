/**
 * Checks the documents of the repository: a link leads to a file and a heading that exist, and a path in backticks names
 * a file that exists. Prints what is wrong, one line each, and exits with 1.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { root } from './shell.mjs';

const DOCUMENTS = ['*.md', 'docs/**/*.md', '{apps,libs}/*/*.md', '{bench,deploy,e2e}/*.md'];
const LINK = /\]\(([^)\s]+)\)/g;
const PATH = /`((?:apps|bench|deploy|docs|e2e|libs|tools)\/[\w./@-]+)`/g;

/** What is wrong with the documents below a directory. */
export function problemsOf(directory) {
  return globSync(DOCUMENTS, { cwd: directory })
    .sort()
    .flatMap((document) => {
      const prose = proseOf(join(directory, document));
      const links = [...prose.matchAll(LINK)].filter(([, link]) => !leads(directory, document, link));
      const paths = [...prose.matchAll(PATH)].filter(([, path]) => !existsSync(join(directory, path)));
      return [
        ...links.map(([, link]) => `${document}: the link ${link} leads nowhere`),
        ...paths.map(([, path]) => `${document}: there is no ${path}`),
      ];
    });
}

function leads(directory, document, link) {
  if (/^[a-z]+:/.test(link)) return true;
  const [path, anchor] = link.split('#');
  const target = join(directory, path === '' ? document : normalize(join(dirname(document), path)));
  return existsSync(target) && (anchor === undefined || anchorsOf(target).has(anchor));
}

/** The anchors that GitHub gives to the headings of a document. */
function anchorsOf(document) {
  const headings = [...proseOf(document).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading.toLowerCase());
  return new Set(headings.map((heading) => heading.replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-')));
}

/** A document without its code blocks, in which nothing is a link or a heading. */
function proseOf(document) {
  return readFileSync(document, 'utf8').replace(/^```[\s\S]*?^```/gm, '');
}

if (import.meta.main) {
  const problems = problemsOf(root);
  for (const problem of problems) console.log(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
