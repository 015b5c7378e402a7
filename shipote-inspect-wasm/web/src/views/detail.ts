// One workspace: its rules in words, what runs in it, and what it has cost.

import { address, type App } from "../app";
import { bdi, h, put } from "../element";
import type { WorkspaceDetail } from "../model";
import { momentElement } from "../moment";
import { copyButton } from "../leave";
import { cover, sorry, words } from "./words";
import { curve } from "./workspaces";

export function detail(app: App, id: string): HTMLElement {
  const place = h("div");
  const draw = () =>
    app.engine?.ask<WorkspaceDetail>({ ask: "workspace", state: app.at, filter: id, show: app.secrets }).then(
      (answer) => put(place, ...told(app, answer, draw)),
      (error: unknown) => put(place, sorry(error)),
    );
  void draw();
  return h("section", { class: "detail-page", "aria-label": "Workspace" }, h("p", null, h("a", { href: address({ ws: null }), class: "back-link" }, "← All workspaces")), place);
}

function told(app: App, answer: WorkspaceDetail, draw: () => void): HTMLElement[] {
  const { row } = answer;
  const figure = (name: string, body: HTMLElement) => h("div", null, h("dt", null, name), h("dd", null, body));
  const commands = h("ul", { class: "command-list" });
  for (const command of answer.commands) {
    commands.append(
      h(
        "li",
        null,
        h("h3", null, bdi(command.label), h("span", { class: `tag ${command.running ? "good" : ""}` }, command.running ? "ought to run" : "stopped")),
        h("code", { class: "typed" }, bdi(command.typed)),
        words(command.words),
      ),
    );
  }
  const pipelines = h("ul", { class: "plain-list" });
  for (const pipeline of answer.pipelines) {
    pipelines.append(h("li", null, h("a", { href: address({ view: "pipelines", ws: null }), class: "link" }, bdi(pipeline.label)), h("span", { class: "none" }, ` · ${pipeline.kind}`)));
  }
  return [
    h(
      "header",
      null,
      h("h1", { class: "title large" }, bdi(row.label)),
      h("p", { class: "told" }, h("code", { class: "id" }, row.id), " ", copyButton(row.id, "the id")),
      answer.secrets ? h("span", { class: "push" }, cover(app, draw)) : h("span"),
    ),
    h(
      "dl",
      { class: "facts" },
      figure("Memory", curve(row.memory, "memory")),
      figure("Processor", curve(row.processor, "processor")),
      figure("Commands", curve(row.running, "commands that ran")),
      figure("Life", h("span", null, row.ttl, row.left === null ? "" : ` · ${row.left}`)),
      figure("Made", momentElement(row.created_ms)),
      figure("Samples", h("span", null, row.samples.toLocaleString("en"))),
    ),
    h("section", { class: "group" }, h("h2", null, "What it may do"), words(answer.words) ?? h("p", null, "")),
    h("section", { class: "group" }, h("h2", null, `Commands (${answer.commands.length})`), answer.commands.length > 0 ? commands : h("p", { class: "none" }, "None is supervised in it.")),
    h("section", { class: "group" }, h("h2", null, `Pipelines (${answer.pipelines.length})`), answer.pipelines.length > 0 ? pipelines : h("p", { class: "none" }, "None.")),
    h("p", null, row.samples === 0 ? null : h("a", { class: "link", href: address({ view: "history" }) }, "Its whole history"), row.samples === 0 ? null : " · ", h("a", { class: "link", href: address({ view: "raw", at: answer.pointer, ws: null, file: null }) }, "Where it stands in the file")),
  ];
}
