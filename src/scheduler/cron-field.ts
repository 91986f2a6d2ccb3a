/** One field of a cron expression: its words and limits. `cycle` is what wrap-around counts by. */
export interface CronField {
  /** As in messages: `hour`, `day-of-month`, … */
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** How many different values there are; the day-of-week has 7 although 0 and 7 are both written for Sunday. */
  readonly cycle: number;
  /** Three-letter names, the first standing for {@link CronField.namesFrom}. */
  readonly names: readonly string[];
  readonly namesFrom: number;
}

const field = (name: string, min: number, max: number): CronField => ({
  name,
  min,
  max,
  cycle: max - min + 1,
  names: [],
  namesFrom: min,
});

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

/** The six fields in their order; an expression of five leaves out the first, which is then 0. */
export const CRON_FIELDS = {
  second: field('second', 0, 59),
  minute: field('minute', 0, 59),
  hour: field('hour', 0, 23),
  dayOfMonth: field('day-of-month', 1, 31),
  month: { ...field('month', 1, 12), names: MONTHS },
  dayOfWeek: { ...field('day-of-week', 0, 7), cycle: 7, names: WEEKDAYS },
} as const satisfies Record<string, CronField>;

/** What a plain part of a field (`*`, `5`, `22-4`, `MON-FRI/2`) stands for, or what is wrong with it. */
export type CronPart = { values: number[] } | { fault: string; offset: number };

const fault = (message: string, offset = 0): CronPart => ({ fault: message, offset });

/** What a field takes, in words. */
export function allowed({ min, max, names }: CronField): string {
  return `from ${min} to ${max}${names.length > 0 ? ` or ${names[0]} to ${names.at(-1)}` : ''}`;
}

/**
 * One value of a field, by number or name.
 * @returns undefined when the field has no such value
 */
export function fieldValue(text: string, { min, max, names, namesFrom }: CronField): number | undefined {
  if (/^\d{1,3}$/.test(text)) {
    const value = Number(text);
    return value >= min && value <= max ? value : undefined;
  }
  const index = names.indexOf(text.toUpperCase());
  return index < 0 ? undefined : index + namesFrom;
}

/**
 * Reads one part of a field's list: `*` or `?`, a value, a range that may wrap around (`22-4`, `FRI-MON`), each of
 * the first and last with a step. Values come in the order of the range, Sunday as 0. `offset` of a fault counts from
 * the start of the part.
 */
export function fieldPart(text: string, field: CronField): CronPart {
  const slash = text.indexOf('/');
  const body = slash < 0 ? text : text.slice(0, slash);
  const step = slash < 0 ? 1 : stepOf(text.slice(slash + 1), field);
  if (step === undefined) {
    return fault(
      `the step "${text.slice(slash + 1)}" must be a whole number from 1 to ${field.cycle}, as in "*/2"`,
      slash + 1,
    );
  }
  if (body === '') return fault(text === '' ? 'a value is missing' : 'what the step counts through is missing: "*/n"');
  if (body === '*' || body === '?') return { values: walk(field.min, field.min + field.cycle - 1, { step, field }) };
  const dash = body.indexOf('-', 1);
  if (dash > 0) return rangePart(body, dash, { step, field });
  const value = fieldValue(body, field);
  if (value === undefined) return fault(valueFault(body, field));
  if (slash >= 0) {
    return fault(`"${text}" gives a step to a single value: write "${body}-${lastOf(field)}/${step}" or "*/${step}"`);
  }
  return { values: walk(value, value, { step: 1, field }) };
}

const lastOf = (field: CronField): number => field.min + field.cycle - 1;

function stepOf(text: string, field: CronField): number | undefined {
  const step = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return step >= 1 && step <= field.cycle ? step : undefined;
}

function valueFault(text: string, field: CronField): string {
  const shown = text.length > 24 ? `${text.slice(0, 24)}…` : text;
  const name = field.names.find((known) => text.toUpperCase().startsWith(known) && /^[a-z]+$/i.test(text));
  return `"${shown}" must be ${allowed(field)}${name === undefined ? '' : `: write ${name}`}`;
}

function rangePart(body: string, dash: number, { step, field }: { step: number; field: CronField }): CronPart {
  const fromText = body.slice(0, dash);
  const toText = body.slice(dash + 1);
  const from = fieldValue(fromText, field);
  if (from === undefined) return fault(valueFault(fromText, field));
  const to = fieldValue(toText, field);
  if (to === undefined) return fault(valueFault(toText, field), dash + 1);
  return { values: walk(...unwrapped(from, to, field), { step, field }) };
}

/** A range with its end moved beyond its start: `22-4` of hours is 22 to 28, `5-7` of weekdays 5 to 7. */
function unwrapped(from: number, to: number, field: CronField): [from: number, to: number] {
  const start = from === field.min + field.cycle && to !== from ? field.min : from;
  return [start, to < start ? to + field.cycle : to];
}

function walk(from: number, to: number, { step, field }: { step: number; field: CronField }): number[] {
  const values: number[] = [];
  for (let value = from; value <= to; value += step) values.push(((value - field.min) % field.cycle) + field.min);
  return values;
}
