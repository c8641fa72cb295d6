import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** A line that the sources log. */
export interface LoggedLine {
  readonly level: string;
  /** The text, with … for each part that varies; where all of it varies, the expression in braces. */
  readonly msg: string;
  /** The names of its fields; … for those of a spread object. */
  readonly fields: readonly string[];
  /** The app whose source logs it, or the library. */
  readonly project: string;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
/** What FailureReporter adds to the lines that it logs for others. */
const OF_FAILURES = ['tries', 'suppressed'];
const OF_THE_END = ['failedMs', 'tries'];
const REPORTER = 'libs/runtime/src/failure-reporter.ts';
const NOT_SHIPPED = /(\.test\.ts$|\/test\/|^libs\/testing\/)/;

/** Every line that the shipped sources of a repository log. */
export function loggedLines(repository: string): LoggedLine[] {
  const files = globSync('{apps,libs}/*/src/**/*.ts', { cwd: repository });
  return files
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => !NOT_SHIPPED.test(file) && file !== REPORTER)
    .sort()
    .flatMap((file) => linesOf(file, readFileSync(join(repository, file), 'utf8')));
}

function linesOf(file: string, text: string): LoggedLine[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const project = file.split('/')[1] ?? '';
  const lines: LoggedLine[] = [];
  const reporters: ts.NewExpression[] = [];
  const failures: ts.CallExpression[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      lines.push(...linesOfCall(node, source, project));
      if (ts.isPropertyAccessExpression(node.expression) && node.expression.name.text === 'failed') failures.push(node);
    }
    if (ts.isNewExpression(node)) reporters.push(node);
    ts.forEachChild(node, visit);
  };
  visit(source);
  // The reporters of a file, and what is reported to them.
  const plain = failures.filter((call) => messageOf(call) === undefined);
  const reported = { always: failures.length > 0 && plain.length === 0, fields: plain.flatMap(fieldsOfFailure) };
  return [...lines, ...reporters.flatMap((made) => linesOfReporter(made, source, project, reported))];
}

function fieldsOfFailure({ arguments: [fields] }: ts.CallExpression): string[] {
  return fields !== undefined && ts.isObjectLiteralExpression(fields) ? fieldsOf(fields) : [];
}

/** The message of a call of `failed` that brings its own. */
function messageOf({ arguments: [, details] }: ts.CallExpression): ts.Expression | undefined {
  return details !== undefined && ts.isObjectLiteralExpression(details) ? membersOf(details).get('message') : undefined;
}

/** `log.warn({ err }, 'text')`, `log.info('text')`; and the message that a call of `failed` brings along. */
function linesOfCall(call: ts.CallExpression, source: ts.SourceFile, project: string): LoggedLine[] {
  if (!ts.isPropertyAccessExpression(call.expression)) return [];
  const { name, expression } = call.expression;
  const [first, second] = call.arguments;
  if (name.text === 'failed') {
    const message = messageOf(call);
    if (message === undefined || second === undefined || !ts.isObjectLiteralExpression(second)) return [];
    const level = textOf(membersOf(second).get('level') ?? null, source);
    const fields = [...fieldsOf(first), ...OF_FAILURES];
    return [{ level: level.startsWith('{') ? 'warn, error' : level, msg: textOf(message, source), fields, project }];
  }
  if (!LEVELS.includes(name.text) || !/(^|\.)#?log(ger)?$/.test(expression.getText(source))) return [];
  const message = second ?? first ?? null;
  return [
    {
      level: name.text,
      msg: textOf(message, source),
      fields: second === undefined ? [] : fieldsOf(first),
      project,
    },
  ];
}

/** `new FailureReporter(ports, { name, failing, working })` */
function linesOfReporter(
  made: ts.NewExpression,
  source: ts.SourceFile,
  project: string,
  reported: { readonly always: boolean; readonly fields: readonly string[] },
): LoggedLine[] {
  const options = made.arguments?.[1];
  if (made.expression.getText(source) !== 'FailureReporter' || options === undefined) return [];
  if (!ts.isObjectLiteralExpression(options)) return [];
  const members = membersOf(options);
  const name = textOf(members.get('name') ?? null, source).replace(/^{.*}$/, '…');
  const failing = members.get('failing');
  const working = members.get('working');
  const msg = failing === undefined ? `${name} fails` : textOf(failing, source);
  const fields = [...reported.fields, ...OF_FAILURES];
  // Where each failure brings its own message, that of the reporter is never logged.
  const lines: LoggedLine[] = failing === undefined && reported.always ? [] : [{ level: 'warn', msg, fields, project }];
  if (working?.kind === ts.SyntaxKind.NullKeyword) return lines;
  const end = working === undefined ? `${name} works again` : textOf(working, source);
  return [...lines, { level: 'info', msg: end, fields: OF_THE_END, project }];
}

function membersOf(literal: ts.ObjectLiteralExpression): Map<string, ts.Expression> {
  return new Map(
    literal.properties.flatMap((member): [string, ts.Expression][] => {
      if (ts.isPropertyAssignment(member)) return [[member.name.getText(), member.initializer]];
      if (ts.isShorthandPropertyAssignment(member)) return [[member.name.text, member.name]];
      return [];
    }),
  );
}

function fieldsOf(node: ts.Node | undefined): string[] {
  if (node === undefined || !ts.isObjectLiteralExpression(node)) return node === undefined ? [] : ['…'];
  return node.properties.map((member) => (ts.isSpreadAssignment(member) ? '…' : member.name.getText()));
}

function textOf(node: ts.Expression | null, source: ts.SourceFile): string {
  if (node === null) return '{}';
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) {
    return node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('');
  }
  const constant = ts.isIdentifier(node) ? constantOf(node.text, source) : null;
  return constant === null ? `{${node.getText(source).replaceAll(/\s+/g, ' ')}}` : textOf(constant, source);
}

/** What a `const` of this name is initialized with, if that is a text. */
function constantOf(name: string, source: ts.SourceFile): ts.Expression | null {
  let found: ts.Expression | null = null;
  const visit = (node: ts.Node): void => {
    const isIt = ts.isVariableDeclaration(node) && node.name.getText(source) === name;
    if (
      isIt &&
      node.initializer &&
      (ts.isStringLiteralLike(node.initializer) || ts.isTemplateExpression(node.initializer))
    )
      found = node.initializer;
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
