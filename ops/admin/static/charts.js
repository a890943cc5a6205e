// Draws each chart from the table behind it; without this script the tables are all there is.
const COLOURS = 7;
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en-US"));
const short = (value) => new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 }).format(value);
const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC");
const clock = (date) => `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
const day = (date) => date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });

// What stands in a legend while nobody points at the chart: the newest value, on paper and on a phone too.
const newest = (values) => values.findLast((value) => value !== null && value !== undefined) ?? null;
const newestAt = ([times, ...lines]) => times[times.findLastIndex((_, at) => lines.some((line) => line[at] !== null))];

const read = (table) => {
  const rows = [...table.tBodies[0].rows].reverse();
  const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent);
  const times = rows.map((row) => Number(row.cells[0].dataset.at) / 1000);
  const values = names.map((_, place) =>
    rows.map((row) => {
      const text = row.cells[place + 1].textContent;
      return text === "" ? null : Number(text.replaceAll(",", ""));
    }),
  );
  return { names, data: [times, ...values] };
};

const options = (section, names, times) => {
  const long = times.at(-1) - times[0] > 2 * 86400;
  const axis = { stroke: colour("--quiet"), font: "12px system-ui, sans-serif", ticks: { stroke: colour("--line") } };
  const grid = { stroke: colour("--line"), width: 1 };
  return {
    width: section.clientWidth,
    height: 220,
    tzDate: utc,
    legend: { live: true },
    cursor: { drag: { setScale: false }, y: false },
    scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.05 : 1] } },
    axes: [
      { ...axis, grid: { show: false }, values: (_, splits) => splits.map((at) => (long ? day(utc(at)) : clock(utc(at)))) },
      { ...axis, grid, size: 52, values: (_, splits) => splits.map(short) },
    ],
    series: [
      {
        label: "From",
        value: (plot, pointed) => {
          const at = pointed ?? newestAt(plot.data);
          return at === undefined ? "–" : `${long ? `${day(utc(at))} ` : ""}${clock(utc(at))}`;
        },
      },
      ...names.map((label, place) => ({
        label,
        stroke: colour(`--line-${(place % COLOURS) + 1}`),
        width: 2,
        // Lines are told apart by more than their colour.
        dash: [[], [8, 4], [2, 3], [10, 3, 2, 3]][place % 4],
        points: { show: times.length < 3 ? true : undefined },
        value: (plot, value, line, at) => number(at === null || at === undefined ? newest(plot.data[line]) : value),
      })),
    ],
  };
};

const drawn = [];
const draw = () => {
  for (const plot of drawn.splice(0)) plot.destroy();
  for (const section of document.querySelectorAll("[data-chart]")) {
    const { names, data } = read(section.querySelector(".tall table"));
    const place = section.querySelector(".plot");
    drawn.push(new uPlot(options(place, names, data[0]), data, place));
    place.dataset.drawn = names.length;
  }
};
draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
let waiting = 0;
window.addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(draw, 100);
});
