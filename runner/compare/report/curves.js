// The curves of a page as numbers: read, smoothed, averaged over seeds.

const page = JSON.parse(document.getElementById("content").textContent);
const $ = (id) => document.getElementById(id);
const rows = (table) => [...$(table).tBodies[0].rows];

// What is shown: the groups and runs that are ticked, and of them the runs that match the filter.
const ticked = {
  groups: page.groups.map((_, index) => index < page.shownGroups),
  runs: page.runs.map(() => true),
};
let matching = page.runs.map(() => true);
const isShown = (run) => ticked.runs[run] && matching[run];

// The numbers of the page, decoded where they are asked for: little-endian float32 in base64.
const decoded = new Map();
function array(place) {
  if (!decoded.has(place)) {
    const bytes = Uint8Array.from(atob(page.arrays[place]), (sign) => sign.charCodeAt(0));
    decoded.set(place, new Float32Array(bytes.buffer));
  }
  return decoded.get(place);
}

const kindOf = (measure) => (page.stepMeasures.includes(measure) ? "steps" : "epochs");

// The points of a measure of a run: {x, mean, low, high}; null if it has none.
function curve(run, measure, axis, logX) {
  const found = page.runs[run].curves[kindOf(measure)];
  if (!found || !found.y[measure]) return null;
  const x = array(found.x[axis]);
  const y = found.y[measure];
  const mean = array(y.mean);
  const low = y.low === undefined ? mean : array(y.low);
  const high = y.high === undefined ? mean : array(y.high);
  const kept = [...x.keys()].filter((i) => isFinite(mean[i]) && isFinite(x[i]) && !(logX && x[i] <= 0));
  if (!kept.length) return null;
  const pick = (values) => kept.map((i) => values[i]);
  return { x: pick(x), mean: pick(mean), low: pick(low), high: pick(high), rows: found.rows };
}

// Learning rates, evaluations and the loss of the full set vary by no chance, and are not smoothed.
const isNoisy = (run, measure) =>
  kindOf(measure) === "steps" && measure !== "learning_rate" && page.runs[run].noisy;

function interpolated(x, y, at) {
  let i = 0;
  return at.map((place) => {
    while (i < x.length - 2 && x[i + 1] < place) i++;
    if (x.length === 1 || place <= x[0]) return y[0];
    if (place >= x[x.length - 1]) return y[x.length - 1];
    const part = (place - x[i]) / (x[i + 1] - x[i] || 1);
    return y[i] + part * (y[i + 1] - y[i]);
  });
}

// The mean over a window of equal width everywhere on the axis as it is drawn. It shrinks on both
// sides alike near the ends of the curve; the points within a sixth of it from an end are left out.
function smoothed(line, part, logX) {
  const place = logX ? line.x.map(Math.log) : line.x;
  const last = place.length - 1;
  const width = part * (place[last] - place[0]);
  if (!(width > 0) || last < 3) return { x: line.x, y: line.mean };
  const edges = [place[0], ...place.slice(1).map((p, i) => (p + place[i]) / 2), place[last]];
  const sums = [0];
  line.mean.forEach((value, i) => sums.push(sums[i] + value * (edges[i + 1] - edges[i])));
  const inside = [...place.keys()].filter(
    (i) => place[i] - place[0] >= width / 6 && place[last] - place[i] >= width / 6);
  if (!inside.length) return { x: line.x, y: line.mean };
  const reach = inside.map((i) => Math.min(width / 2, place[i] - place[0], place[last] - place[i]));
  const below = interpolated(edges, sums, ascending(inside.map((i, k) => place[i] - reach[k])));
  const above = interpolated(edges, sums, ascending(inside.map((i, k) => place[i] + reach[k])));
  return {
    x: inside.map((i) => line.x[i]),
    y: inside.map((i, k) => {
      const alone = place[i] - reach[k] >= edges[i] && place[i] + reach[k] <= edges[i + 1];
      return alone ? line.mean[i] : (above[k] - below[k]) / (2 * reach[k]);
    }),
  };
}

// Rounding must not let a place step back, since `interpolated` only moves forward.
function ascending(places) {
  let most = -Infinity;
  return places.map((place) => (most = Math.max(most, place)));
}

// The mean of several curves and its 95 % interval (Student's t); of two curves their range. On a
// logarithmic axis both are of the logarithms, if all values are positive.
function band(lines, logY) {
  const start = Math.max(...lines.map((line) => line.x[0]));
  const end = Math.min(...lines.map((line) => line.x[line.x.length - 1]));
  const longest = lines.reduce((a, b) => (b.x.length > a.x.length ? b : a));
  const x = longest.x.filter((place) => place >= start && place <= end);
  if (!x.length) return null;
  const values = lines.map((line) => interpolated(line.x, line.y, x));
  const log = logY && values.every((own) => own.every((value) => value > 0));
  const into = log ? Math.log : (value) => value;
  const back = log ? Math.exp : (value) => value;
  const count = lines.length;
  const found = { x, y: [], low: [], high: [] };
  x.forEach((_, i) => {
    const own = values.map((value) => into(value[i]));
    const mean = own.reduce((a, b) => a + b) / count;
    const variance = own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
    const half = page.factors[count] * Math.sqrt(variance);
    found.y.push(back(mean));
    found.low.push(back(count === 2 ? Math.min(...own) : mean - half));
    found.high.push(back(count === 2 ? Math.max(...own) : mean + half));
  });
  return found;
}
