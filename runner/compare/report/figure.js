// The figure of a page: the lines that are wanted, drawn with plotly.js.

const isDark = matchMedia("(prefers-color-scheme: dark)");
const PALETTE = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#c98a00", "#3d9fd8", "#000000", "#8a7d00"],
  dark: ["#4aa8e8", "#ff8d4d", "#2fc79b", "#e79bc6", "#e6ab2e", "#8fd0f5", "#f2f2f2", "#e0d648"],
};
const DASHES = ["solid", "dash", "dot", "dashdot"];
const SCALE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]; // viridis

function styleOf(group) {
  const dark = isDark.matches;
  if (page.ordered.length) {
    const part = page.ordered[group] / (page.groups.length - 1);
    const at = (dark ? 0.2 + 0.8 * part : 0.9 * part) * (SCALE.length - 1);
    const i = Math.min(Math.floor(at), SCALE.length - 2);
    const mixed = SCALE[i].map((c, k) => Math.round(c + (at - i) * (SCALE[i + 1][k] - c)));
    return { color: `rgb(${mixed})`, dash: "solid" };
  }
  const palette = PALETTE[dark ? "dark" : "light"];
  const dash = DASHES[Math.floor(group / palette.length) % DASHES.length];
  return { color: palette[group % palette.length], dash };
}

function transparent(color, alpha) {
  const parts = color.startsWith("#")
    ? [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16)) : color.match(/\d+/g);
  return `rgba(${parts},${alpha})`;
}

// Named one by one: plotly.js has buttons that send the data to a server.
const BUTTONS = [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]];

// plotly.js reads a few HTML tags in labels.
const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function choices() {
  return {
    measure: $("measure").value,
    axis: $("axis").value,
    logX: $("log-x").checked,
    logY: $("log-y").checked,
    smoothing: Number($("smoothing").value),
    byRun: $("lines").value === "runs",
    raw: $("raw").checked,
  };
}

// The lines to draw: {name, group, runs (their curves)}.
function wanted(chosen) {
  const found = [];
  page.groups.forEach((group, index) => {
    if (!ticked.groups[index]) return;
    const own = group.runs.filter(isShown).map((run) => ({
      run, line: curve(run, chosen.measure, chosen.axis, chosen.logX),
    })).filter(({ line }) => line);
    if (chosen.byRun) {
      for (const each of own) found.push({ name: page.runs[each.run].name, group: index, runs: [each] });
    } else if (own.length) {
      found.push({ name: group.label, group: index, runs: own });
    }
  });
  return found;
}

function tracesOf(wish, index, chosen, withRaw) {
  const { color, dash } = styleOf(wish.group);
  const shape = chosen.measure === "learning_rate" ? "hv" : "linear";
  const base = { type: "scatter", mode: "lines", legendgroup: String(index), showlegend: false };
  const value = `<b>${plain(wish.name)}</b><br>%{y:.4~g}<br>%{x:,.6~g} ${plain(page.axes[chosen.axis])}`;
  const drawn = (x, y, more) => ({
    ...base, x, y, mode: x.length > 1 ? "lines" : "markers", name: plain(wish.name), meta: wish.group,
    line: { color, dash, shape, width: 1.8 }, marker: { color }, hovertemplate: `${value}<extra></extra>`,
    ...more,
  });
  const area = (x, low, high, alpha) => [
    { ...base, x, y: low, line: { width: 0, shape }, hoverinfo: "skip" },
    { ...base, x, y: high, line: { width: 0, shape }, hoverinfo: "skip", fill: "tonexty",
      fillcolor: transparent(color, alpha) },
  ];
  const faint = (x, y) =>
    ({ ...base, x, y, line: { color: transparent(color, 0.4), width: 1, shape }, hoverinfo: "skip" });
  // A bar where a run stopped early; if one did, the others go on alone where the mean ends.
  const stops = (alive, meanEnd) => !alive.some((line) => line.stopped) ? [] : alive.flatMap((line) => {
    const rest = [...line.x.keys()].filter((i) => line.x[i] >= meanEnd);
    const pick = (values) => rest.map((i) => values[i]);
    return [
      ...(rest.length > 1 ? [drawn(pick(line.x), pick(line.y), { line: { color, dash, shape, width: 1 } })] : []),
      ...(line.stopped ? [drawn(line.x.slice(-1), line.y.slice(-1), {
        mode: "markers", marker: { symbol: "line-ns", size: 10, line: { color, width: 2 } },
        hovertemplate: `${value}<br>stopped early<extra></extra>`,
      })] : []),
    ];
  });
  const lines = wish.runs.map(({ run, line }) => ({
    ...(isNoisy(run, chosen.measure) && chosen.smoothing
      ? smoothed(line, chosen.smoothing, chosen.logX) : { x: line.x, y: line.mean }),
    raw: line, diverged: page.runs[run].diverged, stopped: page.runs[run].stopped,
  }));
  const alive = lines.filter((line) => !line.diverged);
  const traces = [];
  for (const line of lines.filter((each) => each.diverged)) {
    const end = line.x.length - 1;
    traces.push(drawn(line.x, line.y, { line: { color, dash, width: 1 } }));
    traces.push(drawn([line.x[end]], [line.y[end]], {
      mode: "markers", marker: { symbol: "x", color, size: 8 },
      hovertemplate: `${value}<br>diverged<extra></extra>`,
    }));
  }
  if (alive.length === 1) {
    const { raw } = alive[0];
    if (withRaw) {
      const kept = [...raw.x.keys()].filter((i) => !chosen.logY || raw.low[i] > 0);
      const pick = (values) => kept.map((i) => values[i]);
      if (raw.rows > 1) traces.push(...area(pick(raw.x), pick(raw.low), pick(raw.high), 0.13));
      else if (alive[0].x !== raw.x) traces.push(faint(raw.x, raw.mean));
    }
    traces.push(...stops(alive, Infinity), drawn(alive[0].x, alive[0].y));
  } else if (alive.length) {
    const found = band(alive, chosen.logY);
    if (found) {
      traces.push(...stops(alive, found.x[found.x.length - 1]));
      traces.push(...area(found.x, found.low, found.high, 0.2), drawn(found.x, found.y));
    }
  }
  if (traces.length) traces[traces.length - 1].showlegend = true;
  return traces;
}

function draw() {
  const chosen = choices();
  const wishes = wanted(chosen);
  const withRaw = chosen.raw && wishes.length <= 6;
  const traces = wishes.flatMap((wish, index) => tracesOf(wish, index, chosen, withRaw));
  const css = getComputedStyle(document.documentElement);
  const color = (name) => css.getPropertyValue(name).trim();
  const axis = (text, log) => ({
    title: { text }, type: log ? "log" : "linear", gridcolor: color("--line"),
    zeroline: false, linecolor: color("--line"), automargin: true, separatethousands: true,
    exponentformat: log ? "power" : "none",
  });
  const narrow = $("plot").clientWidth < 700;
  Plotly.react("plot", traces, {
    xaxis: axis(page.axes[chosen.axis], chosen.logX),
    yaxis: axis(page.measures[chosen.measure].label, chosen.logY),
    paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { color: color("--text"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    hoverlabel: { bgcolor: color("--raised"), font: { color: color("--text") }, namelength: -1 },
    modebar: { bgcolor: "transparent", color: color("--faint"), activecolor: color("--accent") },
    hovermode: "closest", hoverdistance: 40, margin: { l: 60, r: 20, t: 30, b: 45 },
    showlegend: wishes.length <= 20,
    legend: narrow ? { orientation: "h", y: -0.2 } : {},
    uirevision: [chosen.measure, chosen.axis, chosen.logX, chosen.logY].join(),
  }, { responsive: true, displaylogo: false, modeBarButtons: BUTTONS });
  $("drawn").textContent = explanation(chosen, wishes, withRaw);
}

function explanation(chosen, wishes, withRaw) {
  const parts = [`${wishes.length} ${wishes.length === 1 ? "line" : "lines"}`];
  const counts = wishes.map((wish) => wish.runs.length);
  if (Math.max(0, ...counts) > 1) {
    parts.push("lines are means over seeds, with the 95 % interval of the mean"
      + (counts.includes(2) ? " (of two seeds: from one to the other)" : ""));
    if (chosen.logY) parts.push("means are geometric where all values are positive");
  }
  const all = wishes.flatMap((wish) => wish.runs);
  const points = Math.max(1, ...all.map(({ line }) => line.rows));
  if (points > 1) parts.push(`a point is the mean of up to ${points} steps`);
  if (withRaw && Math.min(...counts) === 1) {
    parts.push(points > 1
      ? "the area behind a single run reaches from the least to the largest of them"
      : "faint: each step of a single run");
  }
  if (chosen.smoothing && all.some(({ run }) => isNoisy(run, chosen.measure))) {
    parts.push(`smoothed over ${100 * chosen.smoothing} % of the axis`);
  }
  if (all.some(({ run }) => page.runs[run].diverged)) parts.push("x: diverged");
  if (all.some(({ run }) => page.runs[run].stopped)) {
    parts.push("|: stopped early" + (Math.max(0, ...counts) > 1
      ? "; where the first of several seeds has, the others go on alone" : ""));
  }
  if (chosen.axis === "seconds") parts.push("seconds of runs that trained side by side are shares");
  const empty = page.groups.filter((group, index) => ticked.groups[index] && group.runs.some(isShown)
    && !wishes.some((wish) => wish.group === index));
  if (empty.length) parts.push(`no values: ${empty.map((group) => group.label).join("; ")}`);
  const hidden = page.groups.length - ticked.groups.filter(Boolean).length;
  if (hidden) parts.push(`${hidden} of ${page.groups.length} groups are not ticked`);
  return parts.join("; ") + ".";
}
