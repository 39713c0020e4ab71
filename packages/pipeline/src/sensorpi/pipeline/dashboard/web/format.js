// Numbers with their measuring units, and times, as text.

const UNIT_TEXTS = {celsius: " °C", pressurehpa: " hPa", degree: "°", accG: " g", none: "", ms: " ms"};
const WINDS = ["N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"];

/** The number and its unit: [text, unit]. */
export function valueParts(value, panel) {
  if (value === null || value === undefined) return ["–", ""];
  if (panel.unit === "ms" && Math.abs(value) >= 1000) {
    return Math.abs(value) < 60_000 ? [number(value / 1000, 1), " s"] : [number(value / 60_000, 1), " min"];
  }
  return [number(value, panel.decimals), unitOf(panel)];
}

export function valueText(value, panel) {
  return valueParts(value, panel).join("");
}

export function unitOf(panel) {
  return UNIT_TEXTS[panel.unit] ?? ` ${panel.unit}`;
}

/** The compass point of a heading in degrees. */
export function windOf(degrees) {
  return WINDS[Math.round(degrees / 22.5) % 16];
}

function number(value, decimals) {
  const digits = decimals ?? undefined;
  return new Intl.NumberFormat(undefined, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits ?? 3,
    useGrouping: Math.abs(value) >= 10_000,
  }).format(value);
}

/** A number on the vertical axis, with as many decimals as the distance between the ticks needs. */
export function tickText(value, ticks) {
  const step = ticks.length > 1 ? Math.abs(ticks[1].value - ticks[0].value) : 1;
  return number(value, Math.min(6, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))));
}

export function dateTime(ms) {
  return new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "medium"}).format(ms);
}

/** How long ago, roughly. */
export function ago(ms) {
  for (const [unit, length] of [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000]]) {
    if (ms >= 2 * length) return `${Math.round(ms / length)} ${unit} ago`;
  }
  return `${Math.round(ms / 1000)} s ago`;
}

/** A time in the format of datetime-local inputs, in the browser's time zone. */
export function inputValue(ms) {
  const date = new Date(ms);
  return new Date(ms - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const TICKS = [
  SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY,
];

/** Round local times between two times, at most `most` of them: [{value, label}]. */
export function timeTicks(from, to, most) {
  const step = TICKS.find((length) => (to - from) / length <= most);
  return step ? evenTicks(from, to, step) : monthTicks(from, to, most);
}

function evenTicks(from, to, step) {
  const offset = new Date(from).getTimezoneOffset() * MINUTE;
  const format = new Intl.DateTimeFormat(undefined, step >= DAY
    ? {day: "numeric", month: "short"}
    : {hour: "2-digit", minute: "2-digit", ...(step < MINUTE && {second: "2-digit"}), hourCycle: "h23"});
  const day = new Intl.DateTimeFormat(undefined, {day: "numeric", month: "short"});
  const ticks = [];
  for (let value = Math.ceil((from - offset) / step) * step + offset; value <= to; value += step) {
    const midnight = step < DAY && new Date(value).getHours() === 0 && new Date(value).getMinutes() === 0;
    ticks.push({value, label: (midnight && new Date(value).getSeconds() === 0 ? day : format).format(value)});
  }
  return ticks;
}

function monthTicks(from, to, most) {
  const months = [1, 2, 3, 6, 12, 24, 60, 120].find((count) => (to - from) / (count * 30.4 * DAY) <= most) ?? 240;
  const format = new Intl.DateTimeFormat(undefined, {month: "short", year: "numeric"});
  const first = new Date(from);
  const ticks = [];
  for (let month = Math.ceil((first.getFullYear() * 12 + first.getMonth()) / months) * months; ; month += months) {
    const value = new Date(Math.floor(month / 12), month % 12, 1).getTime();
    if (value > to) return ticks;
    if (value >= from) ticks.push({value, label: format.format(value)});
  }
}
