import type { Output, Paint, Style } from './output.ts';

/** One column of a table. */
export interface Column<Row> {
  readonly title: string;
  /** One line of text, without control characters. */
  text(row: Row): string;
  /** Gives up its width where the terminal is too narrow; one column does. */
  readonly shrinks?: true;
  readonly right?: true;
  style?(row: Row): Style | undefined;
}

const GAP = '  ';
/** A column that shrinks keeps this many characters. */
const WIDTH_MIN = 8;

/** Lines of a table: a head, then a row each; nothing after the last text of a line. */
export function tableLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { paint, columns: columnsMax }: { paint: Paint; columns?: number | undefined },
): string[] {
  const texts = rows.map((row) => columns.map((column) => column.text(row)));
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...texts.map((row) => widthOf(row[index] ?? ''))),
  );
  const shrinking = columns.findIndex(({ shrinks }) => shrinks);
  if (columnsMax !== undefined && shrinking >= 0) {
    const over = widths.reduce((sum, width) => sum + width, (columns.length - 1) * GAP.length) - columnsMax;
    if (over > 0) widths[shrinking] = Math.max(WIDTH_MIN, (widths[shrinking] ?? 0) - over);
  }
  const line = (cells: readonly string[], styleAt: (index: number) => Style | undefined): string =>
    cells
      .map((text, index) => {
        const width = widths[index] ?? 0;
        const fitted = fitTo(text, { width, right: columns[index]?.right === true });
        const style = styleAt(index);
        const padded = index === cells.length - 1 ? fitted.trimEnd() : fitted;
        return style === undefined ? padded : paint(style, padded);
      })
      .join(GAP)
      .trimEnd();
  return [
    line(
      columns.map(({ title }) => title),
      () => 'bold',
    ),
    ...rows.map((row, index) => line(texts[index] ?? [], (at) => columns[at]?.style?.(row))),
  ];
}

/** Writes a table, or the words for an empty one. */
export function writeTable<Row>(
  out: Output,
  rows: readonly Row[],
  { columns, empty }: { columns: readonly Column<Row>[]; empty: string },
): void {
  if (rows.length === 0) out.note(empty);
  else for (const text of tableLines(rows, columns, out)) out.line(text);
}

/** Characters as a person counts them, which is near enough to columns for what is shown here. */
const widthOf = (text: string): number => [...text].length;

function fitTo(text: string, { width, right }: { width: number; right: boolean }): string {
  const characters = [...text];
  if (characters.length > width) return `${characters.slice(0, width - 1).join('')}…`;
  const space = ' '.repeat(width - characters.length);
  return right ? space + text : text + space;
}
