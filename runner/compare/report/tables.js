// The tables of a page, sorted and filtered, and its controls. Text is only ever set as text
// (textContent), never as HTML.

const NUMBER = /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

// What a cell sorts by: a number, else its text; what is not known comes last.
function keyOf(cell) {
  const text = cell.textContent;
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  if (text === "never") return Infinity;
  return NUMBER.test(text) ? Number(text) : text;
}

function compared(a, b) {
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
  return typeof a === "number" ? -1 : 1;
}

function makeSortable(table) {
  for (const head of $(table).tHead.rows[0].cells) {
    head.classList.add("sortable");
    head.tabIndex = 0;
    const sort = () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of $(table).tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const keyed = rows(table).map((row) => [keyOf(row.cells[head.cellIndex]), row]);
      keyed.sort((a, b) => {
        const unknown = (a[0] === "-") - (b[0] === "-");
        return unknown || (up ? 1 : -1) * compared(a[0], b[0]);
      });
      $(table).tBodies[0].append(...keyed.map(([, row]) => row));
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  }
}

// A first column with a tick for each row, and a piece of the line for a group.
function addTicks(table) {
  const head = document.createElement("th");
  head.textContent = "shown";
  $(table).tHead.rows[0].prepend(head);
  for (const row of rows(table)) {
    const index = Number(row.dataset.index);
    const box = document.createElement("input");
    box.type = "checkbox";
    box.setAttribute("aria-label", `show ${page[table][index].label ?? page[table][index].name}`);
    box.addEventListener("click", (event) => event.stopPropagation());
    box.addEventListener("change", () => { ticked[table][index] = box.checked; update(); });
    row.insertCell(0).append(box);
  }
}

function swatch(group) {
  const { color, dash } = styleOf(group);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  svg.setAttribute("width", "28");
  svg.setAttribute("height", "10");
  const dashes = { solid: "none", dash: "7 4", dot: "2 3", dashdot: "7 3 2 3" }[dash];
  const values = {
    x1: 0, y1: 5, x2: 28, y2: 5, stroke: color, "stroke-width": 2.5, "stroke-dasharray": dashes,
  };
  for (const [name, value] of Object.entries(values)) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

// A term of the filter: a word, or key=value, key!=value, key<number, key>number, where a key may
// leave out what comes before its last dots: learning_rate<0.1.
function termOf(text) {
  const parts = text.match(/^([^=<>!]+)(!=|=|<|>)(.*)$/);
  if (!parts) {
    const word = text.toLowerCase();
    return (run) => `${run.name} ${Object.values(run.values).join(" ")}`.toLowerCase().includes(word);
  }
  const [, key, sign, wish] = parts;
  return (run) => {
    const names = Object.keys(run.values);
    const name = names.includes(key) ? key : names.find((other) => other.endsWith(`.${key}`));
    if (name === undefined) return false;
    const value = run.values[name];
    if (sign === "=") return value === wish || (wish !== "" && Number(value) === Number(wish));
    if (sign === "!=") return !(value === wish || (wish !== "" && Number(value) === Number(wish)));
    return sign === "<" ? Number(value) < Number(wish) : Number(value) > Number(wish);
  };
}

function update() {
  const terms = $("filter").value.trim().split(/\s+/).filter(Boolean).map(termOf);
  matching = page.runs.map((run) => terms.every((term) => term(run)));
  for (const row of rows("runs")) {
    const index = Number(row.dataset.index);
    row.hidden = !matching[index];
    row.cells[0].firstChild.checked = ticked.runs[index];
    row.classList.toggle("off", !ticked.runs[index]);
  }
  for (const row of rows("groups")) {
    const index = Number(row.dataset.index);
    row.hidden = !page.groups[index].runs.some((run) => matching[run]);
    row.cells[0].firstChild.checked = ticked.groups[index];
    row.classList.toggle("off", !ticked.groups[index]);
    row.cells[0].querySelector("svg")?.remove();
    row.cells[0].append(swatch(index));
  }
  const count = matching.filter(Boolean).length;
  $("matching").textContent = `${count} of ${page.runs.length} runs.`;
  draw();
}

function addTo(parent, tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  parent.append(made);
  return made;
}

function showRun(index) {
  const run = page.runs[index];
  const place = $("run");
  place.replaceChildren();
  place.hidden = false;
  addTo(place, "h3", run.name);
  if (run.command) addTo(place, "pre", run.command);
  else addTo(place, "p", "The command of this run is not recorded.");
  const list = addTo(place, "dl", "");
  for (const [key, value] of [...Object.entries(run.values), ...Object.entries(run.made)]) {
    addTo(list, "dt", key);
    addTo(list, "dd", value ?? "-");
  }
  for (const row of rows("runs")) row.classList.toggle("chosen", Number(row.dataset.index) === index);
}

function fill(select, names, chosen) {
  for (const [value, text] of names) select.add(new Option(text, value, false, value === chosen));
}

const measured = Object.keys(page.measures).filter(
  (measure) => page.runs.some((run) => run.curves[kindOf(measure)]?.y[measure]));
fill($("measure"), measured.map((name) => [name, page.measures[name].label]), page.measure);
fill($("axis"), Object.entries(page.axes), page.axis);
const parts = [...new Set([0, 0.01, 0.02, 0.05, 0.1, 0.2, page.smoothing])].sort((a, b) => a - b);
fill($("smoothing"), parts.map((part) => [String(part), part ? `${100 * part} %` : "none"]),
  String(page.smoothing));
const suit = () => { $("log-y").checked = page.measures[$("measure").value]?.log ?? false; };
suit();
addTicks("groups");
addTicks("runs");
for (const table of document.querySelectorAll("table")) makeSortable(table.id);
for (const row of rows("runs")) row.addEventListener("click", () => showRun(Number(row.dataset.index)));
$("controls").addEventListener("submit", (event) => event.preventDefault());
$("controls").addEventListener("change", (event) => {
  if (event.target.id === "measure") suit();
  if (event.target.id !== "filter") draw();
});
let waiting = 0;
$("filter").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(update, 150); });
for (const button of document.querySelectorAll("button[data-show]")) {
  button.addEventListener("click", () => {
    const most = { best: page.shownGroups, all: Infinity, none: 0 }[button.dataset.show];
    ticked.groups = ticked.groups.map((_, index) => index < most);
    update();
  });
}
isDark.addEventListener("change", update);
update();
$("plot").on("plotly_legendclick", (event) => {
  const group = event.data[event.curveNumber].meta;
  ticked.groups[group] = false;
  update();
  return false;
});
$("plot").on("plotly_legenddoubleclick", () => false);
