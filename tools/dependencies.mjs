/**
 * The npm dependencies, Node 24 among them (the package `node`). They are current when we installed them from the same
 * package-lock.json and package.json files (a stamp records that), or when `npm install` did: the lockfile that npm itself
 * keeps in node_modules is then the same. Both are written when an installation is complete, never before.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root, run, say, SetupError, withHeartbeat } from './shell.mjs';

const NODE_MAJOR = 24;
const INSTALL_TIMEOUT_MS = 15 * 60_000;
const STAMP = join(root, 'node_modules', '.sink-setup');

/** Is exactly what package-lock.json asks for there already? */
export async function areDependenciesCurrent() {
  return (hasStamp() || matchesLockfile()) && (await hasNode());
}

/** Installs what package-lock.json asks for. */
export async function installDependencies(cache) {
  say(`installing the npm dependencies, Node ${NODE_MAJOR} among them (some 500 MB, about a minute)`);
  const result = await withHeartbeat('installing', () => npmCi());
  if (result.code !== 0) {
    const log = join(cache, 'npm-ci.log');
    writeFileSync(log, result.output);
    throw new SetupError(`npm ci failed: ${reason(result.output)} (all of it: ${log})`);
  }
  if (!(await hasNode())) {
    throw new SetupError(
      `node_modules/.bin/node is not Node ${NODE_MAJOR}: the install script of the npm package "node" must be allowed to run`,
    );
  }
  writeFileSync(STAMP, fingerprint());
  say('dependencies installed');
}

/** With the npm and the Node that run this script's npm: node_modules, with its own Node, is deleted underneath. */
function npmCi() {
  const options = ['--include=dev', '--include=optional', '--ignore-scripts=false', '--no-audit', '--no-fund'];
  const args = ['ci', ...options, '--loglevel=error', '--progress=false'];
  const npm = process.env.npm_execpath;
  const [command, first] = npm?.endsWith('.js')
    ? [process.env.npm_node_execpath ?? process.execPath, [npm]]
    : ['npm', []];
  const path = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => !entry.endsWith(join('node_modules', '.bin')));
  const env = { ...process.env, PATH: path.join(delimiter), NX_DAEMON: 'false', npm_config_engine_strict: 'false' };
  return run(command, [...first, ...args], { env, timeoutMs: INSTALL_TIMEOUT_MS });
}

async function hasNode() {
  const { code, stdout } = await run(join(root, 'node_modules', '.bin', 'node'), ['-v']);
  return code === 0 && stdout.startsWith(`v${NODE_MAJOR}.`);
}

function hasStamp() {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === fingerprint();
}

/** Of everything `npm ci` goes by, and of the kind of machine. */
function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  const manifests = ['', ...workspaceFolders()].map((folder) => join(folder, 'package.json')).sort();
  for (const file of ['package-lock.json', ...manifests]) {
    hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

/** Is node_modules what package-lock.json says, and package-lock.json what the package.json files say? */
function matchesLockfile() {
  const wanted = readPackages('package-lock.json');
  const installed = readPackages(join('node_modules', '.package-lock.json'));
  if (wanted === null || installed === null) return false;
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.includes('node_modules/')) {
      if (!isDescribedBy(path, entry)) return false;
    } else if (installed[path] === undefined) {
      if (!entry.optional) return false;
    } else if (installed[path].version !== entry.version || installed[path].integrity !== entry.integrity) {
      return false;
    }
  }
  return (
    Object.keys(installed).every((path) => wanted[path] !== undefined) &&
    workspaceFolders().every((path) => wanted[path] !== undefined)
  );
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  } catch {
    return null;
  }
}

/** Does a workspace's package.json still ask for what the lockfile was made from? */
function isDescribedBy(path, entry) {
  const file = join(root, path, 'package.json');
  if (!existsSync(file)) return false;
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  return ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'].every(
    (kind) => canonical(manifest[kind]) === canonical(entry[kind]),
  );
}

function canonical(dependencies = {}) {
  return JSON.stringify(Object.entries(dependencies).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The folders that package.json's `workspaces` names ("libs/*" and plain paths are what we use). */
function workspaceFolders() {
  const { workspaces } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return workspaces
    .flatMap((pattern) => {
      if (!pattern.endsWith('/*')) return [pattern];
      const parent = pattern.slice(0, -2);
      return readdirSync(join(root, parent)).map((name) => `${parent}/${name}`);
    })
    .filter((path) => existsSync(join(root, path, 'package.json')));
}

/** The one line of npm's error output that says most. */
function reason(output) {
  const lines = output
    .split('\n')
    .filter((line) => line.startsWith('npm error '))
    .map((line) => line.slice('npm error '.length).trim())
    .filter((line) => line !== '' && !/^(A complete log|errno|syscall|path|dest|type|cwd|command)\b/.test(line));
  const code = lines.find((line) => line.startsWith('code '))?.slice('code '.length);
  const text = lines.find((line) => !line.startsWith('code '));
  return [code, text].filter(Boolean).join(': ') || output.trim().split('\n').at(-1) || 'it printed nothing';
}
