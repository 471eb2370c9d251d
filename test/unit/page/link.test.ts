import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { linkScript } from '../../../src/page/link.js';

describe('modules as one script', () => {
  let directory: string;
  beforeEach(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-link-'));
  });
  afterEach(() => fs.rmSync(directory, { recursive: true }));

  function link(modules: Record<string, string>): string {
    for (const [name, text] of Object.entries(modules)) fs.writeFileSync(path.join(directory, name), text);
    return linkScript(pathToFileURL(path.join(directory, 'main.js')));
  }

  it('does what the modules do, each of them once', () => {
    const script = link({
      'main.js': `/** import { x } from './no.js'; */\nimport { twice as double, Box } from './a.js';\nimport * as b from "./b.js";\nresult.push(double(b.two), new Box().value, b.name);\n//# sourceMappingURL=main.js.map\n`,
      'a.js':
        "import { two } from './b.js';\nexport function twice(n) {\n  return n * two;\n}\nexport class Box {\n  value = 7;\n}\n",
      'b.js':
        'result.push("b");\nconst two = 2;\nconst hidden = "n";\nexport {\n  two,\n  hidden as name,\n};\n/* @__PURE__ */ result.push("kept");\n/* end */\n',
    });
    const result: unknown[] = [];
    vm.runInNewContext(script, { result });
    expect(result).toEqual(['b', 'kept', 4, 7, 'n']);
  });

  it.each([
    ['a default export', { 'main.js': 'export default 1;\n' }, 'cannot be linked: export default 1;'],
    ['an import for its effects', { 'main.js': "import './a.js';\n", 'a.js': '' }, 'cannot be linked'],
    ['what changes after it was exported', { 'main.js': 'export let a = 1;\n' }, 'cannot be linked'],
    [
      'a circle',
      { 'main.js': "import { a } from './a.js';\n", 'a.js': "import { b } from './main.js';\n" },
      'imports itself',
    ],
    ['the end of a script', { 'main.js': 'const a = "</script>";\n' }, 'would end it'],
  ])('is refused where there is %s', (_, modules, why) => {
    expect(() => link(modules as Record<string, string>)).toThrow(why);
  });
});
