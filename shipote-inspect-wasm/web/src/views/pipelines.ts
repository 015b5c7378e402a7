// Pipelines, each as a drawing and as a list that says the same.

import { plural, type App } from "../app";
import { bdi, button, h, put, s } from "../element";
import type { Pipeline, State } from "../model";
import { cover, sorry, words } from "./words";

const PAGE = 20;

export function pipelines(app: App, state: State): HTMLElement {
  const list = h("div", { class: "pipelines" });
  const foot = h("div", { class: "further" });
  let count = PAGE;
  const draw = () =>
    app.engine?.ask<{ total: number; pipelines: Pipeline[] }>({ ask: "pipelines", state: app.at, count, show: app.secrets }).then(
      (answer) => {
        put(list, ...answer.pipelines.map((pipeline, at) => one(pipeline, at)));
        const rest = answer.total - answer.pipelines.length;
        put(
          foot,
          rest > 0 &&
            button(`Show ${Math.min(rest, PAGE)} of ${rest} more`, () => {
              count += PAGE;
              void draw();
            }),
        );
      },
      (error: unknown) => put(list, sorry(error)),
    );
  void draw();
  return h(
    "section",
    { "aria-labelledby": "pipelines" },
    h(
      "header",
      null,
      h("h1", { id: "pipelines", class: "title" }, "Pipelines"),
      h("p", { class: "told" }, plural(state.counts.saved_pipelines + state.counts.live_pipelines, "pipeline")),
      state.secrets ? h("span", { class: "push" }, cover(app, () => void draw())) : null,
    ),
    list,
    foot,
  );
}

function one(pipeline: Pipeline, at: number): HTMLElement {
  const kind = pipeline.kind === "saved" ? "saved" : pipeline.held ? "live" : pipeline.running ? "live, ought to run" : "live, stopped";
  return h(
    "article",
    { class: pipeline.held ? "pipeline held" : "pipeline", "aria-labelledby": `pipeline-${at}` },
    h(
      "header",
      null,
      h("h2", { id: `pipeline-${at}` }, bdi(pipeline.label)),
      h("p", { class: "told" }, kind, pipeline.workspace === "" ? null : " · in ", pipeline.workspace === "" ? null : bdi(pipeline.workspace)),
      pipeline.held ? h("p", { class: "tag bad" }, "held back: it has errors") : null,
    ),
    pipeline.drawn
      ? h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Drawing of ${pipeline.label}` }, drawing(pipeline))
      : h("p", { class: "nothing" }, "Too many nodes for a drawing. The list below has all of them."),
    words(pipeline.words),
    h("details", null, h("summary", null, `As a list: ${plural(pipeline.nodes.length, "node")}, ${plural(pipeline.edges.length, "edge")}`), asList(pipeline)),
  );
}

function drawing(pipeline: Pipeline): SVGSVGElement {
  const { width, height, node_height: high } = pipeline;
  const svg = s("svg", {
    class: "dag",
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "img",
    "aria-label": `${pipeline.label}: ${pipeline.edges.map((edge) => `${edge.from} to ${edge.to}`).join(", ") || "no edges"}. The list below says the same.`,
  });
  for (const edge of pipeline.edges) {
    const tapped = edge.marks.includes("tap");
    svg.append(s("path", { class: `edge${edge.back ? " back" : ""}${tapped ? " tapped" : ""}`, d: edge.path }));
    // The head of an arrow, at the end of the path: edges end where nodes begin.
    const end = /([-\d.]+) ([-\d.]+)$/.exec(edge.path);
    if (end !== null) {
      const [x, y] = [Number(end[1]), Number(end[2])];
      svg.append(s("path", { class: `head${edge.back ? " back" : ""}`, d: `M${x - 7} ${y - 4}L${x} ${y}L${x - 7} ${y + 4}` }));
    }
  }
  for (const node of pipeline.nodes) {
    svg.append(
      s(
        "g",
        { class: node.missing ? "node missing" : "node" },
        s("rect", { x: node.x, y: node.y, width: node.width, height: high, rx: 8 }),
        s("text", { x: node.x + node.width / 2, y: node.y + high / 2 + 5, "text-anchor": "middle" }, node.label),
        node.missing || node.typed === "" ? null : s("title", null, node.typed),
      ),
    );
  }
  for (const edge of pipeline.edges) {
    const told = [edge.media, edge.marks].filter((text) => text !== "");
    told.forEach((text, line) => {
      svg.append(s("text", { class: "mark", x: edge.x, y: edge.y - 8 + line * 24, "text-anchor": "middle" }, text));
    });
  }
  return svg;
}

function asList(pipeline: Pipeline): HTMLElement {
  const nodes = h("ol", { class: "node-list" });
  for (const node of pipeline.nodes) {
    nodes.append(
      h(
        "li",
        null,
        h("strong", null, bdi(node.whole)),
        node.missing ? h("span", { class: "tag bad" }, "no node is called so") : node.typed === "" ? null : h("code", null, bdi(node.typed)),
        words(node.words),
      ),
    );
  }
  const edges = h("ul", { class: "edge-list" });
  for (const edge of pipeline.edges) {
    const told = [edge.media, edge.marks, edge.back ? "leads back: a circle" : ""].filter((text) => text !== "");
    edges.append(h("li", null, bdi(edge.from), " → ", bdi(edge.to), told.length === 0 ? null : h("span", { class: "none" }, ` · ${told.join(" · ")}`)));
  }
  return h("div", { class: "two" }, nodes, edges);
}
