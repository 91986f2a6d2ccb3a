import type { Finding } from '../app/doctor.ts';
import { defineCommand, EXIT } from './command.ts';
import { configPath, importConfig } from './config-file.ts';
import { cleanLines } from './display.ts';
import type { Paint, Style } from './output.ts';
import { ALL_SETTINGS, namingFlags } from './setting-flags.ts';

const MARKS: Readonly<Record<Finding['state'], { mark: string; style: Style }>> = {
  ok: { mark: '✓', style: 'green' },
  warning: { mark: '!', style: 'yellow' },
  wrong: { mark: '✗', style: 'red' },
  unchecked: { mark: '-', style: 'dim' },
};

/** `rota doctor`: what is wrong here, and what to do. */
export const doctor = defineCommand({
  name: 'doctor',
  summary: 'check Node, nats-server, NATS, JetStream, the store and the config',
  positionals: [],
  flags: {},
  settings: ALL_SETTINGS,
  examples: ['rota doctor', 'rota doctor --nats nats://a:4222 --json'],
  notes: ['It takes the flags of "rota start" and changes nothing. Anything that is wrong is exit code 1.'],
  run: async ({ settings: given, world, out, json }) => {
    const { examine } = await import('../app/doctor.ts');
    const { config: _config, ...settings } = given;
    const path = configPath(given, world);
    const findings = await examine({
      given: settings,
      env: world.env,
      clock: world.clock,
      configPath: path,
      importConfig: () => importConfig(path),
      explain: (error) => namingFlags(error, given),
    });
    const wrong = findings.filter(({ state }) => state === 'wrong').length;
    if (json) out.json({ ok: wrong === 0, findings });
    else {
      for (const finding of findings) out.line(findingText(finding, out.paint));
      if (wrong > 0) out.line(`\n${wrong === 1 ? 'One thing is' : `${wrong} things are`} wrong.`);
    }
    return wrong === 0 ? EXIT.ok : EXIT.failed;
  },
});

/** One finding: a mark, what was looked at, what was found, and what to do about it below. */
export function findingText({ what, state, found, remedy }: Finding, paint: Paint): string {
  const { mark, style } = MARKS[state];
  const [first = '', ...rest] = cleanLines(found).split('\n');
  const below = [...rest, ...(remedy === undefined ? [] : [`→ ${cleanLines(remedy)}`])];
  const indent = ' '.repeat(WHAT_WIDTH + 4);
  return [`${paint(style, mark)} ${what.padEnd(WHAT_WIDTH)}  ${first}`, ...below.map((line) => indent + line)].join(
    '\n',
  );
}

const WHAT_WIDTH = 11;
