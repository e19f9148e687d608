"use strict";
// Draws the charts of a report with Chart.js. All data comes from the block #data of this page; nothing is fetched, and
// every text goes through textContent or the canvas, so that none of it is ever read as HTML.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const spoken = document.getElementById("spoken");
  const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];
  const FONT = getComputedStyle(document.body).fontFamily;
  const drawn = [];
  let shared = null; // the moment that all time charts point at
  let failed = 0;

  // -- colours: the style sheet has them, for light and for dark ------------------------------------------------------

  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const faded = (rgb, share) => {
    const [r, g, b, a] = rgb.match(/[\d.]+/g).map(Number);
    return `rgba(${r}, ${g}, ${b}, ${(a === undefined ? 1 : a) * share})`;
  };
  let palette = {};
  const readPalette = () => {
    palette = { lines: [0, 1, 2, 3, 4, 5].map((number) => colour(`c${number}`)) };
    for (const name of ["ink", "dim", "line", "card", "phase", "fault", "bad", "link"]) palette[name] = colour(name);
    Object.assign(Chart.defaults, { color: palette.dim, borderColor: palette.line });
    Object.assign(Chart.defaults.plugins.tooltip, {
      backgroundColor: palette.ink, titleColor: palette.card, bodyColor: palette.card, usePointStyle: true,
    });
  };

  // -- words ----------------------------------------------------------------------------------------------------------

  const number = (value) => {
    if (value === null || Number.isNaN(value)) return "–";
    const size = Math.abs(value);
    const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 1 ? 1 : 3;
    return value.toLocaleString("en", { maximumFractionDigits: digits });
  };
  const clock = (seconds) => {
    const sign = seconds < 0 ? "−" : "";
    const size = Math.abs(seconds);
    if (size < 120) return `${sign}${number(size)} s`;
    const [h, m, s] = [Math.floor(size / 3600), Math.floor((size % 3600) / 60), Math.round(size % 60)];
    const two = (part) => String(part).padStart(2, "0");
    return h ? `${sign}${h}:${two(m)}:${two(s)}` : `${sign}${m}:${two(s)}`;
  };
  const percent = (nines) => {
    const digits = Math.max(0, Math.ceil(nines - 1e-9) - 2) + (nines > 2 && nines % 1 > 1e-6 ? 1 : 0);
    return `${(100 * (1 - 10 ** -nines)).toFixed(digits)} %`;
  };

  // -- phases and faults: named in a strip above the lines of time, tinted behind them ---------------------------------

  const ROW = 16; // pixels of one row of names
  const MOST_ROWS = 5; // of faults; what does not fit is tinted without a name
  const nameFont = `11px ${FONT}`;
  const measure = document.createElement("canvas").getContext("2d");
  const fitted = (text, room) => {
    measure.font = nameFont;
    if (room < 16) return "";
    if (measure.measureText(text).width <= room) return text;
    let short = text;
    while (short && measure.measureText(`${short}…`).width > room) short = short.slice(0, -1);
    return short.length > 2 ? `${short}…` : "";
  };
  const spansOf = (chart, kind) => {
    const { min, max } = chart.options.scales.x;
    return data.runs[0].spans.filter((span) => span.kind === kind && span.to >= min && span.from <= max);
  };
  // Every fault in the first row in which neither its bar nor its name meets another's.
  const faultRows = (chart, width) => {
    const { min, max } = chart.options.scales.x;
    const at = (seconds) => (width * (Math.min(max, Math.max(min, seconds)) - min)) / (max - min);
    measure.font = nameFont;
    const ends = [];
    return spansOf(chart, "fault").map((span) => {
      const [from, to] = [at(span.from), Math.max(at(span.to), at(span.from) + 3)];
      const words = fitted(span.name, width);
      const long = measure.measureText(words).width;
      const left = Math.max(0, Math.min(from, width - long));
      let row = ends.findIndex((end) => end <= Math.min(left, from));
      if (row < 0) row = ends.length;
      const named = row < MOST_ROWS;
      if (named) ends[row] = Math.max(to, left + long) + 8;
      return { from, to, left, row: named ? row : null, words };
    });
  };
  const strip = {
    id: "strip",
    start(chart) {
      const box = {
        position: "top",
        weight: 1, // below the legend, next to the lines
        options: {},
        isHorizontal: () => true,
        update(width) {
          box.width = width;
          box.faults = faultRows(chart, width);
          const rows = Math.max(0, ...box.faults.map((fault) => (fault.row === null ? 0 : fault.row + 1)));
          box.height = (spansOf(chart, "phase").length > 1 ? ROW : 0) + rows * ROW + (rows ? 4 : 0);
        },
        draw() {
          const pen = chart.ctx;
          const { left, right } = chart.chartArea;
          const at = (seconds) => Math.min(right, Math.max(left, chart.scales.x.getPixelForValue(seconds)));
          const phases = spansOf(chart, "phase");
          pen.save();
          pen.font = nameFont;
          pen.textBaseline = "middle";
          if (phases.length > 1) {
            phases.forEach((span, place) => {
              const [from, to] = [at(span.from), at(span.to)];
              if (place % 2 === 0) {
                pen.fillStyle = palette.phase;
                pen.fillRect(from, box.top, to - from, ROW);
              }
              pen.fillStyle = palette.dim;
              pen.fillText(fitted(span.name, to - from - 6), from + 3, box.top + ROW / 2);
            });
          }
          const first = box.top + (phases.length > 1 ? ROW : 0) + 2;
          for (const fault of faultRows(chart, right - left)) {
            if (fault.row === null) continue;
            const y = first + fault.row * ROW;
            pen.fillStyle = palette.bad;
            pen.fillText(fault.words, left + fault.left, y + 5.5);
            pen.fillRect(left + fault.from, y + 12.5, fault.to - fault.from, 2);
          }
          pen.restore();
        },
      };
      Chart.layouts.addBox(chart, box);
    },
    beforeDatasetsDraw(chart) {
      const pen = chart.ctx;
      const { left, right, top, bottom } = chart.chartArea;
      const at = (seconds) => Math.min(right, Math.max(left, chart.scales.x.getPixelForValue(seconds)));
      pen.save();
      const phases = spansOf(chart, "phase");
      pen.fillStyle = palette.phase;
      if (phases.length > 1) {
        phases.forEach((span, place) => {
          if (place % 2 === 0) pen.fillRect(at(span.from), top, at(span.to) - at(span.from), bottom - top);
        });
      }
      pen.strokeStyle = palette.bad;
      pen.lineWidth = 1;
      pen.setLineDash([2, 3]);
      for (const span of spansOf(chart, "fault")) {
        const [from, to] = [at(span.from), Math.max(at(span.to), at(span.from) + 3)];
        pen.fillStyle = palette.fault;
        pen.fillRect(from, top, to - from, bottom - top);
        for (const x of [from, to]) {
          pen.beginPath();
          pen.moveTo(Math.round(x) + 0.5, top);
          pen.lineTo(Math.round(x) + 0.5, bottom);
          pen.stroke();
        }
      }
      pen.restore();
    },
  };
  const cursor = {
    id: "cursor",
    afterDatasetsDraw(chart) {
      const x = chart.$kind === "time" ? shared : chart.$cursor;
      if (x === null || x === undefined) return;
      const { left, right, top, bottom } = chart.chartArea;
      const at = chart.scales.x.getPixelForValue(x);
      if (at < left || at > right) return;
      chart.ctx.save();
      chart.ctx.strokeStyle = palette.dim;
      chart.ctx.setLineDash([3, 3]);
      chart.ctx.beginPath();
      chart.ctx.moveTo(at, top);
      chart.ctx.lineTo(at, bottom);
      chart.ctx.stroke();
      chart.ctx.restore();
    },
    afterEvent(chart, { event }) {
      if (event.type === "mousemove") pointAt(chart, chart.getActiveElements());
      if (event.type === "mouseout") pointAt(chart, []);
    },
  };
  const pointAt = (chart, elements) => {
    const first = elements[0];
    const x = first ? chart.data.datasets[first.datasetIndex].data[first.index].x : null;
    if (chart.$kind !== "time") {
      chart.$cursor = x;
      chart.draw();
    } else if (x !== shared) {
      shared = x;
      for (const other of drawn) if (other.$kind === "time") other.draw();
    }
  };

  // -- line charts ----------------------------------------------------------------------------------------------------

  const xOf = (line) => line.x || data.runs[line.run].times;
  const pointsOf = (chart, line) =>
    line.y.map((y, place) => ({ x: xOf(line)[place], y: y === null ? NaN : chart.log ? Math.max(y, 0.01) : y }));
  const paint = (dataset, line) => {
    const ink = palette.lines[line.colour % palette.lines.length];
    Object.assign(dataset, { borderColor: ink, backgroundColor: ink, pointBackgroundColor: ink });
  };
  const ticksOfX = (chart) => {
    const common = { maxRotation: 0, autoSkipPadding: 14, font: { family: FONT, size: 11 } };
    if (chart.kind === "time") return { ...common, callback: (value) => clock(value) };
    return { ...common, callback: (value) => percent(value) };
  };
  const ninesAsTicks = (scale) => {
    const half = Math.log10(2);
    const roomy = (half / Math.max(scale.max, 1)) * scale.width > 44;
    scale.ticks = roomy ? [{ value: 0 }, { value: half }] : [{ value: 0 }];
    for (let nines = 1; nines <= scale.max + 1e-9; nines += 1) scale.ticks.push({ value: nines });
  };
  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
  const momentsAsTicks = (scale) => {
    const most = Math.max(2, Math.floor((scale.width || 300) / 74));
    const step = STEPS.find((each) => (scale.max - scale.min) / each <= most) || STEPS[STEPS.length - 1];
    scale.ticks = [];
    for (let at = Math.ceil(scale.min / step); at * step <= scale.max; at += 1) scale.ticks.push({ value: at * step });
  };
  const lineChart = (chart) => {
    const canvas = document.getElementById(`chart-${chart.name}`);
    const times = chart.lines.map(xOf);
    const made = new Chart(canvas, {
      type: "line",
      data: {
        datasets: chart.lines.map((line) => {
          const dataset = {
            label: line.label, data: pointsOf(chart, line), borderDash: DASHES[line.dash % DASHES.length], borderWidth: 2,
            pointRadius: line.y.length === 1 ? 3 : 0, pointHoverRadius: 4, spanGaps: false, tension: 0,
          };
          paint(dataset, line);
          return dataset;
        }),
      },
      plugins: chart.kind === "time" ? [strip, cursor] : [cursor],
      options: {
        parsing: false,
        normalized: true,
        scales: {
          x: {
            type: "linear",
            min: Math.min(...times.map((each) => each[0])),
            max: Math.max(...times.map((each) => each[each.length - 1]), 1),
            title: { display: true, text: chart.kind === "time" ? "since the start of publishing" : "percentile" },
            ticks: ticksOfX(chart),
            afterBuildTicks: chart.kind === "time" ? momentsAsTicks : ninesAsTicks,
          },
          y: {
            type: chart.log ? "logarithmic" : "linear",
            beginAtZero: !chart.log,
            grace: chart.log ? 0 : "5%",
            suggestedMax: chart.log ? undefined : 1,
            title: { display: true, text: chart.unit },
            ticks: {
              maxTicksLimit: 7, font: { family: FONT, size: 11 },
              callback(value) {
                if (!chart.log) return number(value);
                const mantissa = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
                return [1, 2, 5].includes(Math.round(mantissa)) ? number(value) : null;
              },
            },
          },
        },
        plugins: {
          legend: {
            display: chart.lines.length > 1 || data.runs.length > 1,
            labels: {
              generateLabels: (made) =>
                Chart.defaults.plugins.legend.labels.generateLabels(made).map((each) => ({
                  ...each, lineDash: made.data.datasets[each.datasetIndex].borderDash, lineWidth: 2,
                })),
            },
          },
          tooltip: {
            callbacks: {
              title: (items) => (items.length ? titleOf(chart, items[0].parsed.x) : ""),
              label: (item) => `${item.dataset.label}: ${number(item.parsed.y)} ${chart.unit.split(",")[0]}`,
            },
          },
        },
      },
    });
    made.$kind = chart.kind;
    made.$recolour = () => chart.lines.forEach((line, place) => paint(made.data.datasets[place], line));
    readByKeys(canvas, made, chart);
    drawn.push(made);
  };
  const titleOf = (chart, x) => {
    if (chart.kind !== "time") return `${percent(x)} of the samples are no slower`;
    const inside = data.runs[0].spans.filter((span) => span.from <= x && x < Math.max(span.to, span.from + 1));
    return [clock(x), ...inside.map((span) => (span.kind === "fault" ? `fault: ${span.name}` : span.name))].join(" · ");
  };

  // -- by keys and as a table, for those who do not point -------------------------------------------------------------

  const readByKeys = (canvas, made, chart) => {
    let place = -1;
    canvas.addEventListener("keydown", (event) => {
      const last = made.data.datasets[0].data.length - 1;
      const jump = Math.max(1, Math.round(last / 20));
      const to = { ArrowRight: place + 1, ArrowLeft: place - 1, PageDown: place + jump, PageUp: place - jump, Home: 0, End: last }[event.key];
      if (event.key === "Escape") {
        place = -1;
        made.setActiveElements([]);
        made.tooltip.setActiveElements([], { x: 0, y: 0 });
        pointAt(made, []);
        made.update("none");
      }
      if (to === undefined) return;
      event.preventDefault();
      place = Math.min(last, Math.max(0, to));
      const x = made.data.datasets[0].data[place].x;
      const elements = made.data.datasets.flatMap((dataset, datasetIndex) => {
        const index = dataset.data.findIndex((point) => point.x === x);
        return index < 0 || !made.isDatasetVisible(datasetIndex) ? [] : [{ datasetIndex, index }];
      });
      const seen = elements.filter((each) => !Number.isNaN(made.data.datasets[each.datasetIndex].data[each.index].y));
      made.setActiveElements(seen);
      made.tooltip.setActiveElements(seen, { x: 0, y: 0 });
      pointAt(made, elements);
      made.update("none");
      const words = elements.map((each) => {
        const dataset = made.data.datasets[each.datasetIndex];
        return `${dataset.label} ${number(dataset.data[each.index].y)}`;
      });
      spoken.textContent = `${titleOf(chart, x)}: ${words.join(", ")}`;
    });
  };
  const cell = (row, kind, text) => {
    const made = document.createElement(kind);
    made.textContent = text;
    if (kind === "td") made.className = "number";
    row.append(made);
    return made;
  };
  const fillTable = (details) => {
    const chart = data.charts.find((each) => each.name === details.dataset.chart);
    const host = details.querySelector(".scroll");
    if (host.firstChild) return;
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    cell(head, "th", chart.kind === "time" ? "Time" : "Percentile").scope = "col";
    for (const line of chart.lines) Object.assign(cell(head, "th", `${line.label}, ${chart.unit.split(",")[0]}`), { scope: "col", className: "number" });
    const rows = new Map();
    chart.lines.forEach((line, column) => xOf(line).forEach((x, place) => {
      if (!rows.has(x)) rows.set(x, chart.lines.map(() => null));
      rows.get(x)[column] = line.y[place];
    }));
    const body = table.createTBody();
    for (const [x, values] of [...rows].sort((a, b) => a[0] - b[0])) {
      const row = body.insertRow();
      cell(row, "th", chart.kind === "time" ? clock(x) : percent(x)).scope = "row";
      for (const value of values) cell(row, "td", number(value));
    }
    host.append(table);
  };

  // -- the map --------------------------------------------------------------------------------------------------------

  const nice = (most) => {
    const power = 10 ** Math.floor(Math.log10(most));
    return [5, 2, 1].map((each) => each * power).find((each) => each <= most);
  };
  const degrees = (value, [plus, minus], step) =>
    `${Math.abs(value).toFixed(Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)))}° ${value < 0 ? minus : plus}`;
  const label = (pen, text, x, y) => {
    pen.lineWidth = 3;
    pen.strokeStyle = palette.card;
    pen.strokeText(text, x, y);
    pen.fillText(text, x, y);
  };
  const ground = (map, state) => ({
    id: "ground",
    beforeDatasetsDraw(chart) {
      const pen = chart.ctx;
      const { left, right, top, bottom } = chart.chartArea;
      const x = (steps) => left + (steps / map.width) * (right - left);
      const y = (steps) => bottom - (steps / map.height) * (bottom - top);
      pen.save();
      pen.beginPath();
      pen.rect(left, top, right - left, bottom - top);
      pen.clip();
      pen.font = `11px ${FONT}`;
      const [west, south, east, north] = map.bounds;
      const step = nice(Math.min(east - west, north - south) / 2);
      pen.strokeStyle = palette.line;
      pen.fillStyle = palette.dim;
      pen.lineWidth = 1;
      const grid = [];
      for (let each = Math.ceil(west / step); each * step <= east; each += 1) {
        const at = x(((each * step - west) / (east - west)) * map.width);
        pen.beginPath();
        pen.moveTo(at, top);
        pen.lineTo(at, bottom);
        pen.stroke();
        const words = degrees(each * step, ["E", "W"], step);
        if (at + 8 + pen.measureText(words).width < right) grid.push([words, at + 4, top + 13]);
      }
      for (let each = Math.ceil(south / step); each * step <= north; each += 1) {
        const at = y(((each * step - south) / (north - south)) * map.height);
        pen.beginPath();
        pen.moveTo(left, at);
        pen.lineTo(right, at);
        pen.stroke();
        grid.push([degrees(each * step, ["N", "S"], step), left + 4, at - 4]);
      }
      const way = (vendor) => {
        pen.beginPath();
        for (let place = 0; place < vendor.xy.length; place += 2) {
          const [px, py] = [x(vendor.xy[place]), y(vendor.xy[place + 1])];
          if (place) pen.lineTo(px, py);
          else pen.moveTo(px, py);
        }
        pen.stroke();
      };
      // Fainter the more there are: where many went, it grows dark.
      const share = Math.min(0.8, Math.max(0.14, 5 / Math.sqrt(map.vendors.length)));
      pen.lineJoin = "round";
      pen.lineWidth = map.vendors.length > 200 ? 1 : 1.5;
      pen.strokeStyle = faded(palette.lines[0], state.picked < 0 ? share : share / 3);
      map.vendors.forEach(way);
      if (state.picked >= 0) {
        pen.lineWidth = 3;
        pen.strokeStyle = palette.lines[1];
        way(map.vendors[state.picked]);
      }
      for (const [text, px, py] of grid) label(pen, text, px, py);
      pen.restore();
    },
    afterDatasetsDraw(chart) {
      const pen = chart.ctx;
      const { left, right, bottom } = chart.chartArea;
      const metresPerPixel = (map.metresPerStep * map.width) / (right - left);
      const metres = nice(metresPerPixel * Math.min(180, (right - left) / 3));
      const long = metres / metresPerPixel;
      pen.save();
      pen.font = `12px ${FONT}`;
      pen.fillStyle = pen.strokeStyle = palette.ink;
      const text = metres >= 1000 ? `${number(metres / 1000)} km` : `${number(metres)} m`;
      const [from, y] = [right - long - 14, bottom - 14];
      pen.fillStyle = faded(palette.card, 0.8);
      pen.fillRect(from - 8, y - 20, long + 16, 28);
      pen.fillStyle = palette.ink;
      pen.fillText(text, from, y - 7);
      pen.strokeStyle = palette.ink;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.moveTo(from, y - 4);
      pen.lineTo(from, y);
      pen.lineTo(from + long, y);
      pen.lineTo(from + long, y - 4);
      pen.stroke();
      pen.restore();
    },
  });
  const mapChart = (map, place) => {
    const canvas = document.getElementById(`map-${place}`);
    if (!map) {
      canvas.parentElement.textContent = "No positions are in these results.";
      return;
    }
    canvas.parentElement.style.aspectRatio = `${map.width} / ${map.height}`;
    const state = { picked: -1 };
    const last = map.vendors.map((vendor, which) => ({
      x: vendor.xy[vendor.xy.length - 2], y: vendor.xy[vendor.xy.length - 1], which,
    })).filter((point) => point.x !== undefined);
    const radius = map.vendors.length > 500 ? 2 : map.vendors.length > 100 ? 3 : 4;
    const made = new Chart(canvas, {
      type: "scatter",
      data: {
        datasets: [
          { label: "last position", data: last.filter((point) => !map.vendors[point.which].lost), pointRadius: radius },
          {
            label: "last position, with losses", data: last.filter((point) => map.vendors[point.which].lost),
            pointRadius: radius + 2, pointStyle: "triangle",
          },
        ],
      },
      plugins: [ground(map, state)],
      options: {
        parsing: false,
        scales: {
          x: { display: false, min: 0, max: map.width },
          y: { display: false, min: 0, max: map.height },
        },
        interaction: { mode: "nearest", intersect: true, axis: "xy" },
        plugins: {
          legend: { display: false },
          tooltip: {
            callbacks: {
              label: (item) => {
                const vendor = map.vendors[item.raw.which];
                return vendor.lost ? `${vendor.name}: ${number(vendor.lost)} lost` : vendor.name;
              },
            },
          },
        },
      },
    });
    made.$kind = "map";
    made.$recolour = () => {
      const share = state.picked < 0 ? 1 : 0.25;
      made.data.datasets.forEach((dataset, number) => {
        const ink = palette.lines[number];
        const shades = dataset.data.map((point) => faded(ink, point.which === state.picked ? 1 : share));
        Object.assign(dataset, { backgroundColor: shades, borderColor: shades, pointHoverRadius: 6 });
      });
    };
    made.$recolour();
    made.update("none");
    const pick = document.getElementById(`pick-${place}`);
    map.vendors.map((vendor, which) => [vendor.name, which]).sort((a, b) => a[0].localeCompare(b[0], "en")).forEach(([name, which]) => {
      const option = document.createElement("option");
      option.value = which;
      option.textContent = name;
      pick.append(option);
    });
    pick.addEventListener("change", () => {
      state.picked = Number(pick.value);
      made.$recolour();
      made.update("none");
    });
    drawn.push(made);
  };

  // -- all of it ------------------------------------------------------------------------------------------------------

  const attempt = (canvasId, draw) => {
    try {
      draw();
    } catch (error) {
      failed += 1;
      document.getElementById(canvasId).parentElement.textContent = `This chart could not be drawn: ${error.message}`;
    }
  };
  const recolour = () => {
    readPalette();
    for (const chart of drawn) {
      chart.$recolour();
      for (const scale of Object.values(chart.options.scales)) {
        scale.grid = { color: palette.line };
        Object.assign(scale.ticks, { color: palette.dim });
        if (scale.title) scale.title.color = palette.dim;
      }
      chart.options.plugins.legend.labels.color = palette.ink;
      chart.update("none");
    }
  };
  Object.assign(Chart.defaults, {
    animation: false, responsive: true, maintainAspectRatio: false, devicePixelRatio: Math.max(2, window.devicePixelRatio || 1),
  });
  Chart.defaults.font.family = FONT;
  Chart.defaults.interaction = { mode: "nearest", axis: "x", intersect: false };
  Object.assign(Chart.defaults.plugins.legend.labels, { usePointStyle: true, pointStyle: "line", pointStyleWidth: 34, boxHeight: 6 });
  readPalette();
  for (const chart of data.charts) attempt(`chart-${chart.name}`, () => lineChart(chart));
  data.maps.forEach((map, place) => attempt(`map-${place}`, () => mapChart(map, place)));
  recolour();

  for (const details of document.querySelectorAll("details.as-table")) details.addEventListener("toggle", () => fillTable(details));
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", recolour);
  const button = document.getElementById("scheme");
  const isDark = () => root.classList.contains("dark") || (dark.matches && !root.classList.contains("light"));
  const nameButton = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.hidden = false;
  nameButton();
  button.addEventListener("click", () => {
    const next = isDark() ? "light" : "dark";
    root.classList.remove("light", "dark");
    root.classList.add(next);
    nameButton();
    recolour();
  });
  window.addEventListener("beforeprint", () => { root.classList.add("printing"); recolour(); });
  window.addEventListener("afterprint", () => { root.classList.remove("printing"); recolour(); });
  root.dataset.drawn = drawn.length;
  root.dataset.failed = failed;
})();
