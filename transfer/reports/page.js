"use strict";
// Draws each <figure data-chart="name"> from the JSON block spec-name, as wide as its place allows.
const GREY = "#888";
const FLUID = { loss: 520, accuracy: 520, recall: 820, map: 1080 };  // at most so many pixels
const ink = "currentColor";

function config(narrow) {
  const axis = {
    labelColor: ink, titleColor: ink, titleFontWeight: 500, domainColor: GREY, tickColor: GREY,
  };
  return {
    background: "transparent",
    font: getComputedStyle(document.body).fontFamily,
    axis,
    axisY: { labelLimit: narrow ? 104 : 190 },
    axisX: { labelLimit: narrow ? 104 : 190 },
    header: { labelColor: ink, titleColor: ink },
    legend: { labelColor: ink, titleColor: ink, orient: "top", title: null },
    text: { color: ink },
    view: { stroke: null },
  };
}

function fitted(name, spec, room) {
  if (!(name in FLUID)) return spec;
  const names = room < 500 ? 190 : 270;  // pixels of the classes' names and counts
  const beside = { map: 16, recall: names }[name] || 64;
  const width = Math.max(110, Math.min(FLUID[name], room) - beside);
  if (name !== "map") return { ...spec, width };
  const height = Math.round(Math.max(300, Math.min(640, width * 0.7)));
  const [points, labels] = spec.spec.layer;
  // Many names would hide each other and the points.
  const crowded = room < 500 || new Set(spec.data.values.map((row) => row.label)).size > 20;
  const mark = { ...labels.mark, ...(crowded && { fontSize: 9, limit: 84, fontWeight: 500 }) };
  return { ...spec, spec: { ...spec.spec, width, height, layer: [points, { ...labels, mark }] } };
}

async function draw(figure) {
  const name = figure.dataset.chart;
  const place = figure.querySelector(".chart");
  const room = place.clientWidth;
  if (Number(place.dataset.room) === room) return;
  place.dataset.room = room;
  const spec = JSON.parse(document.getElementById(`spec-${name}`).textContent);
  await vegaEmbed(place, fitted(name, spec, room), {
    ast: true,  // expressions are interpreted, so that the policy can forbid eval
    renderer: "svg",
    actions: false,
    config: config(room < 500),
    tooltip: { theme: "custom" },
  });
  place.dataset.drawn = "yes";
}

let waiting;
const drawAll = () => Promise.all([...document.querySelectorAll("figure[data-chart]")].map(draw));
addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(drawAll, 200); });
drawAll().then(() => { document.documentElement.dataset.ready = "yes"; });
