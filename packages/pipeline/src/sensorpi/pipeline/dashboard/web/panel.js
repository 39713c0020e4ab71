// One panel: its elements in the document, its chart, its current values.

import {ago, dateTime, tickText, timeTicks, unitOf, valueParts, valueText, windOf} from "./format.js";

const DASHES = [[], [6, 4], [2, 3]];
const DASH_CLASSES = ["", "dashed", "dotted"];

/** Vertical lines at the times of events. */
const eventLines = {
  id: "eventLines",
  afterDatasetsDraw(chart) {
    const {ctx, chartArea, scales} = chart;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = css("--event");
    for (const event of chart.$events ?? []) {
      const x = scales.x.getPixelForValue(event.time);
      if (x < chartArea.left || x > chartArea.right) continue;
      ctx.setLineDash([3, 3]);
      ctx.beginPath();
      ctx.moveTo(x, chartArea.top);
      ctx.lineTo(x, chartArea.bottom);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x, chartArea.bottom - 6);
      ctx.lineTo(x - 4, chartArea.bottom);
      ctx.lineTo(x + 4, chartArea.bottom);
      ctx.fill();
    }
    ctx.restore();
  },
};

function css(variable) {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export class PanelView {
  constructor(panel) {
    this.panel = panel;
    this.isStat = panel.kind === "stat";
    this.section = element("section", `panel ${panel.kind}`);
    this.section.dataset.panelId = panel.id;
    this.section.setAttribute("aria-label", panel.title);
    this.section.title = panel.description;
    const heading = element("h2", "", panel.title);
    if (!this.isStat && unitOf(panel).trim()) heading.append(element("span", "unit", unitOf(panel).trim()));
    const box = element("div", "chart");
    this.canvas = element("canvas");
    this.canvas.setAttribute("role", "img");
    this.nothing = element("p", "nothing");
    box.append(this.canvas, this.nothing);
    this.legend = element("ul", "legend");
    this.section.append(heading, ...(this.isStat ? [this.legend, box] : [box, this.legend]));
  }

  get width() {
    return Math.round(this.canvas.parentElement.clientWidth) || 600;
  }

  destroy() {
    this.chart?.destroy();
    this.section.remove();
  }

  /** Draw what /api/panel answered. */
  show(data, events) {
    this.data = data;
    this.events = events;
    const empty = data.series.every((series) => series.points.length === 0);
    this.nothing.textContent = empty ? "No data in this range" : "";
    this.section.setAttribute("aria-busy", "false");
    this.#showCurrent();
    this.#draw();
  }

  /** Draw again in the colours of the theme. */
  repaint() {
    if (this.data) this.#draw();
  }

  #showCurrent() {
    const {series, interval, to} = this.data;
    const first = series.find((line) => line.current);
    this.section.dataset.current = first ? first.current[1] : "";
    this.section.dataset.currentTime = first ? first.current[0] : "";
    this.legend.classList.toggle("several", series.length > 1);
    this.legend.replaceChildren(...(series.length ? series : [{name: "", current: null}]).map((line) => {
      const item = element("li");
      const value = element("span", "value");
      const [text, unit] = valueParts(line.current?.[1], this.panel);
      value.append(text, this.isStat ? element("small", "", unit) : unit);
      item.dataset.series = line.name;
      item.dataset.current = line.current ? line.current[1] : "";
      if (this.isStat) {
        item.style.color = this.#color(line);
        item.append(value, element("span", "name", this.#statNote(line, series.length)));
      } else {
        const swatch = element("span", `line ${DASH_CLASSES[this.#hostIndex(line)]}`);
        swatch.style.borderColor = this.#color(line);
        const calculation = this.panel.calculation === "lastNotNull" ? "" : `${this.panel.calculation} `;
        item.append(swatch, element("span", "name", this.#name(line)), element("span", "", calculation), value);
      }
      const age = line.current ? to - line.current[0] : 0;
      if (age > Math.max(60_000, 3 * interval)) item.append(" ", element("span", "age", this.#ageText(age, line)));
      return item;
    }));
    const spoken = series.map((line) => `${line.name} ${valueText(line.current?.[1], this.panel)}`).join(", ");
    this.canvas.setAttribute("aria-label", `${this.panel.title}: ${spoken || "no data"}`);
  }

  #ageText(age, line) {
    return this.panel.calculation === "lastNotNull" ? ago(age) : `until ${dateTime(line.current[0])}`;
  }

  #statNote(line, count) {
    const parts = [];
    if (this.panel.unit === "degree" && line.current) parts.push(windOf(line.current[1]));
    if (count > 1 || line.name) parts.push(line.name);
    return ` ${parts.join(" · ")}`;
  }

  /** The series' name. If all series have the same host, it is left out, unless the name has nothing else. */
  #name(line) {
    const alone = this.data.series.every((series) => series.host === line.host);
    const short = alone && line.name.endsWith(line.host) ? line.name.slice(0, -line.host.length).trim() : "";
    return short || line.name;
  }

  #hostIndex(line) {
    const hosts = [...new Set(this.data.series.map((series) => series.host))];
    return hosts.indexOf(line.host) % DASHES.length;
  }

  #color(line) {
    const {thresholds} = this.panel;
    if (!this.isStat || thresholds.length < 2) return line.color ?? thresholds[0][1];
    const value = line.current?.[1] ?? -Infinity;
    return thresholds.findLast(([from]) => from === null || value >= from)[1];
  }

  #datasets() {
    const circle = this.panel.unit === "degree";  // an area under a compass bearing has no meaning
    const filled = !circle && (this.isStat || this.panel.fillOpacity > 0);
    return this.data.series.map((line) => {
      const color = this.#color(line);
      const points = line.points.map(([x, y]) => ({x, y}));
      const alone = points.map((point, index) =>
        point.y !== null && (points[index - 1]?.y ?? null) === null && (points[index + 1]?.y ?? null) === null);
      return {
        label: this.#name(line),
        data: points,
        borderColor: color,
        backgroundColor: `${color}${this.isStat ? "2e" : opacityHex(this.panel.fillOpacity)}`,
        borderWidth: this.isStat ? 1.5 : 1.75,
        borderDash: DASHES[this.#hostIndex(line)],
        borderJoinStyle: "round",
        fill: filled ? "start" : false,
        pointRadius: alone.map((single) => (single ? 2 : 0)),  // a point between two breaks has no line
        pointBackgroundColor: color,
        pointHoverRadius: 3.5,
        pointHitRadius: 8,
        spanGaps: false,
      };
    });
  }

  #draw() {
    const options = this.#options();
    if (!this.chart) {
      this.chart = new Chart(this.canvas, {type: "line", data: {datasets: []}, options, plugins: [eventLines]});
    }
    this.chart.$events = this.isStat ? [] : this.events;
    this.chart.options = options;
    this.chart.data.datasets = this.#datasets();
    this.chart.update("none");
  }

  #options() {
    const {from, to} = this.data;
    const muted = css("--muted"), grid = css("--grid");
    const font = {family: getComputedStyle(document.body).fontFamily, size: 11};
    const steady = this.panel.min ?? undefined;
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      parsing: false,
      normalized: true,
      interaction: {mode: "nearest", axis: "x", intersect: false},
      layout: {padding: this.isStat ? {top: 4} : {top: 4, right: 8}},
      scales: {
        x: {
          type: "linear",
          min: from,
          max: to,
          display: !this.isStat,
          grid: {color: grid, drawBorder: false, tickLength: 4},
          ticks: {color: muted, font, maxRotation: 0, autoSkip: false, callback: (_, index, ticks) => ticks[index].label},
          afterBuildTicks: (scale) => { scale.ticks = timeTicks(from, to, Math.max(2, Math.floor(scale.width / 75))); },
        },
        y: {
          display: !this.isStat,
          grace: steady === undefined ? "6%" : 0,
          min: steady,
          max: this.panel.max ?? undefined,
          suggestedMax: steady === 0 && !this.isStat ? 1 : undefined,
          grid: {color: grid, drawBorder: false, tickLength: 0},
          ticks: {color: muted, font, padding: 6, maxTicksLimit: 6, callback: (value, _, ticks) => tickText(value, ticks)},
        },
      },
      plugins: {
        legend: {display: false},
        tooltip: {
          animation: false,
          boxWidth: 8,
          boxHeight: 8,
          boxPadding: 4,
          callbacks: {
            title: (items) => (items.length ? dateTime(items[0].parsed.x) : ""),
            label: (item) => ` ${item.dataset.label}  ${valueText(item.parsed.y, this.panel)}`,
            footer: (items) => this.#eventsNear(items[0]?.parsed.x),
          },
        },
      },
    };
  }

  #eventsNear(time) {
    const near = (this.data.to - this.data.from) / 100;
    return this.events.filter((event) => Math.abs(event.time - time) < near).map((event) => event.text);
  }
}

function opacityHex(opacity) {
  return Math.round(opacity * 255).toString(16).padStart(2, "0");
}
