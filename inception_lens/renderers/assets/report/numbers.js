// The data of the page, and the text of its numbers. The formats match the package's `renderers.units`.

const data = JSON.parse(byId("data").textContent);
const columnIndex = new Map(data.columns.map((column, k) => [column.key, k]));
const PREFIXES = [
  [1e24, "Y"],
  [1e21, "Z"],
  [1e18, "E"],
  [1e15, "P"],
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

const grouped = (number) => number.toLocaleString("en-US");

/** A number rounded to `digits` significant digits, with a metric prefix: 118.0 M. */
function scaled(number, digits) {
  for (const [factor, prefix] of PREFIXES) {
    // A value that would round up to 1000 takes the next prefix.
    if (Math.abs(number) >= factor * (1 - 0.5 * 10 ** -digits)) {
      const value = number / factor;
      const exponent = Number(value.toExponential(digits - 1).split("e")[1]);
      return `${value.toFixed(Math.max(digits - 1 - Math.max(exponent, 0), 0))} ${prefix}`;
    }
  }
  return String(number);
}

const FORMATS = {
  count: grouped,
  short: (number) => scaled(number, 4),
  size: (number) => {
    const text = scaled(number, 3);
    return /[A-Za-z]$/.test(text) ? `${text}B` : `${text} B`;
  },
  text: (value) => String(value),
};

const columnOf = (key) => data.columns[columnIndex.get(key)];
const titleOf = (key) => columnOf(key).title;
const formatOf = (key) => FORMATS[columnOf(key).format];
const valueOf = (row, key) => row.values[columnIndex.get(key)];
/** Whether a row's value leaves out layers of unknown cost, and so is a lower bound. */
const isLowerBound = (row, key) => Boolean(row.lower_bounds?.includes(key));

/** The text of a cell: "-" for zero or none, "?" for unknown, ">=" before a lower bound. */
function cellText(row, key) {
  const value = valueOf(row, key);
  if (isLowerBound(row, key)) return value ? `>= ${formatOf(key)(value)}` : "?";
  return value === null || value === 0 || value === "" ? "-" : formatOf(key)(value);
}

/** The exact integer of a cell that is shown rounded; null for small numbers and texts. */
function exactText(row, key) {
  const value = valueOf(row, key);
  return Number.isSafeInteger(value) && value >= 1000 ? grouped(value) : null;
}
