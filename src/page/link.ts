/**
 * Makes one script of a module and all that it imports, so that the page is one document: nothing is fetched but status, and
 * its policy names the script by its digest. It knows what tsc and the noble libraries write, and refuses anything else.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** One that has its lines to itself. */
const COMMENT = /^[ \t]*\/\*(?:(?!\*\/)[\s\S])*\*\/[ \t]*$/gm;
const IMPORT = /^import (?:(\{[^}]*\})|\* as ([\w$]+)) from ["']([^"']+)["'];$/gm;
const EXPORT_LIST = /^export \{([^}]*)\};$/gm;
const DECLARATION = /^export (?=(?:async )?(?:function|class|const)\s+([\w$]+))/gm;

interface Linked {
  /** In the order in which they are to run. */
  code: string[];
  names: Map<string, string>;
  under: string[];
}

/** @param entry URL of a module that exports nothing that is wanted */
export function linkScript(entry: URL): string {
  const linked: Linked = { code: [], names: new Map(), under: [] };
  link(entry.href, linked);
  const script = `'use strict';\n${linked.code.join('\n')}\n`;
  if (/<\/script|<!--/i.test(script)) throw new Error('the page script has text in it that would end it');
  return script;
}

/** @returns the name of the constant that has what the module exports */
function link(url: string, linked: Linked): string {
  const known = linked.names.get(url);
  if (known !== undefined) return known;
  if (linked.under.includes(url)) throw new Error(`${url} imports itself`);
  linked.under.push(url);
  const exported: string[] = [];
  const text = readFileSync(fileURLToPath(url), 'utf8')
    .replace(/^\/\/# sourceMappingURL=.*$/gm, '')
    .replace(COMMENT, '')
    .replace(/^export \{\};$/gm, '')
    .replace(IMPORT, (_, names?: string, all?: string, from?: string) => {
      const source = link(resolve(from!, url), linked);
      return `const ${all ?? names!.replace(/([\w$]+) as ([\w$]+)/g, '$1: $2')} = ${source};`;
    })
    .replace(EXPORT_LIST, (_, names: string) => {
      const each = names.split(',').map((name) => name.trim());
      exported.push(...each.filter(Boolean).map((name) => name.replace(/([\w$]+) as ([\w$]+)/, '$2: $1')));
      return '';
    })
    .replace(DECLARATION, (_, name: string) => {
      exported.push(name);
      return '';
    });
  const strange = /^(?:import|export)\b.*/m.exec(text);
  if (strange !== null) throw new Error(`${url}: cannot be linked: ${strange[0]}`);
  linked.under.pop();
  const name = `module${linked.names.size}`;
  linked.names.set(url, name);
  linked.code.push(`const ${name} = (() => {${text.trimEnd()}\nreturn { ${exported.join(', ')} };\n})();`);
  return name;
}

const resolve = (specifier: string, from: string): string =>
  specifier.startsWith('.') ? new URL(specifier, from).href : import.meta.resolve(specifier);
