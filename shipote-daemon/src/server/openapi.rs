//! The description of the API (OpenAPI 3.1), assembled by hand and held complete by a test.

use axum::Json;
use serde_json::{Map, Value, json};

use crate::exit::Code;
use crate::wire::{FRAMES_TYPE, NDJSON_TYPE, PROBLEM_TYPE, STDIO_PROTOCOL};

/// One route: method, path, summary, what it takes and what it answers with.
struct Route {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    query: &'static [(&'static str, &'static str, &'static str)],
    body: Option<&'static str>,
    answer: &'static str,
    attachable: bool,
}

const fn route(
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    answer: &'static str,
) -> Route {
    Route { method, path, summary, query: &[], body: None, answer, attachable: false }
}

impl Route {
    const fn query(mut self, query: &'static [(&'static str, &'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    const fn body(mut self, schema: &'static str) -> Self {
        self.body = Some(schema);
        self
    }

    const fn attachable(mut self) -> Self {
        self.attachable = true;
        self
    }
}

/// How much of a history is asked for.
const LAST_MS: &[(&str, &str, &str)] =
    &[("last_ms", "integer", "the history of the last so many milliseconds; its newest samples by default")];

const ROUTES: &[Route] =
    &[
        route("get", "/v1/version", "Which daemon answers", "Version"),
        route("get", "/v1/openapi.json", "This description", "Any"),
        route("get", "/v1/workspaces", "List workspaces", "Workspaces"),
        route("post", "/v1/workspaces", "Declare a workspace", "Workspace").body("WorkspaceSpec"),
        route("get", "/v1/workspaces/{name}", "Show a workspace with what is in it", "WorkspaceDetail"),
        route("delete", "/v1/workspaces/{name}", "Stop a workspace and forget it", "Removed"),
        route("post", "/v1/workspaces/{name}/stop", "Stop everything in a workspace", "Workspace")
            .query(&[("kill", "boolean", "kill at once, without grace")]),
        route("get", "/v1/workspaces/{name}/stats", "What a workspace costs", "Stats").query(LAST_MS),
        route("get", "/v1/stats", "What every workspace costs", "StatsOfAll").query(LAST_MS),
        route("post", "/v1/up", "Apply a card", "Up").body("UpBody").attachable(),
        route("post", "/v1/exec", "Run one command", "Exec").body("ExecBody").attachable(),
        route("get", "/v1/commands", "List commands and nodes", "Commands").query(&[(
            "all",
            "boolean",
            "also what has ended or was never started",
        )]),
        route("get", "/v1/pipelines", "List live pipelines", "Pipelines"),
        route("post", "/v1/pipelines", "Run a pipeline", "Pipeline").body("RunBody").attachable(),
        route("get", "/v1/pipelines/{name}", "Show a live pipeline", "Pipeline"),
        route("delete", "/v1/pipelines/{name}", "Stop a live pipeline and forget it", "Removed"),
        route("get", "/v1/pipelines/{name}/edges/{edge}/tap", "Watch the bytes of an edge", "Bytes"),
        route("get", "/v1/saved", "List saved pipelines", "SavedPipelines"),
        route("get", "/v1/saved/{name}", "Show a saved pipeline", "SavedPipeline"),
        route("put", "/v1/saved/{name}", "Save a pipeline", "SavedPipeline").body("PipelineSpec"),
        route("delete", "/v1/saved/{name}", "Forget a saved pipeline", "Removed"),
        route("get", "/v1/units/{name}", "What a name means", "Means"),
        route("post", "/v1/units/{name}/start", "Start what is declared", "Acted").body("Caller"),
        route("post", "/v1/units/{name}/stop", "Stop with grace", "Acted"),
        route("post", "/v1/units/{name}/restart", "Stop, then start", "Acted").body("Caller"),
        route("post", "/v1/units/{name}/kill", "Send a signal", "Acted").query(&[(
            "signal",
            "integer",
            "number of the signal; 9 where none is given",
        )]),
        route("post", "/v1/units/{name}/wait", "Wait until something has ended", "Wait").query(&[(
            "timeout_ms",
            "integer",
            "give up after this many milliseconds",
        )]),
        route("get", "/v1/events", "What happened, and what happens", "Events").query(&[
            ("since", "integer", "only events after this sequence number"),
            ("follow", "boolean", "go on with what happens from now on"),
        ]),
        route("get", "/v1/state", "The state as it would be written", "State"),
        route("delete", "/v1/daemon", "End the daemon", "Stopping").query(&[(
            "restart",
            "boolean",
            "start again as the same process",
        )]),
    ];

/// `GET /v1/openapi.json`.
pub(super) async fn serve() -> Json<Value> {
    Json(document())
}

/// Returns the description.
fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[route.method] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Shipote",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Workspaces for processes that belong together",
            "description": "HTTP/1.1 on a unix socket. The reference is docs/protocol.md. NAME is a label, an id, \
                a unique end or beginning of an id, or a label path with its / written %2F.",
        },
        "servers": [{ "url": "http://shipote", "description": "curl --unix-socket SOCKET http://shipote/v1/version" }],
        "paths": paths,
        "components": { "schemas": schemas() },
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    for (name, kind, description) in route.query {
        parameters.push(json!({
            "name": name, "in": "query", "description": description, "schema": { "type": kind }
        }));
    }
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let content = match route.answer {
        "Events" => json!({ NDJSON_TYPE: { "schema": reference("Event") }, "text/event-stream": {} }),
        "Bytes" => json!({ "application/octet-stream": {}, FRAMES_TYPE: {} }),
        other => json!({ "application/json": { "schema": reference(other) } }),
    };
    let status = match (route.method, route.path) {
        ("post", "/v1/workspaces") => "201",
        ("delete", "/v1/daemon") => "202",
        _ => "200",
    };
    let mut responses = json!({
        status: { "description": "done", "content": content },
        "default": { "description": "a problem", "content": { PROBLEM_TYPE: { "schema": reference("Problem") } } },
    });
    if route.attachable {
        responses["101"] = json!({
            "description": format!("with `Upgrade: {STDIO_PROTOCOL}`, the connection goes on in frames"),
        });
    }
    let mut operation = json!({
        "summary": route.summary,
        "operationId": format!("{}{}", route.method, route.path.replace(['/', '{', '}', '.'], "_")),
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(schema) = route.body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": reference(schema) } } });
    }
    operation
}

/// Returns an object schema whose members are of these types; views say more than a client must know.
fn object(members: &[(&str, &str)]) -> Value {
    let properties: Map<String, Value> = members
        .iter()
        .map(|(name, kind)| {
            let kinds: Vec<&str> = kind.split('|').collect();
            let schema = match kinds.as_slice() {
                [one] if one.starts_with(char::is_uppercase) => {
                    json!({ "$ref": format!("#/components/schemas/{one}") })
                }
                [one] => json!({ "type": one }),
                several => json!({ "type": several }),
            };
            ((*name).to_owned(), schema)
        })
        .collect();
    json!({ "type": "object", "properties": properties })
}

fn list(of: &str) -> Value {
    json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{of}") } })
}

fn schemas() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    let view = |members: &[(&str, &str)]| object(members);
    let mut all = json!({
        "Any": {},
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail", "code", "hint", "problems"],
            "properties": {
                "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
                "detail": { "type": "string" }, "code": { "type": "string", "enum": codes },
                "hint": { "type": "string" }, "problems": { "type": "array", "items": { "type": "object" } },
                "candidates": { "type": "array", "items": { "type": "string" } },
                "launch": { "type": "object" },
            },
        },
        "Version": view(&[
            ("version", "string"), ("api_min", "integer"), ("api_max", "integer"), ("pid", "integer"),
            ("state_dir", "string"), ("started_at_ms", "integer"), ("background", "boolean"), ("held", "boolean"), ("dirty", "boolean"),
        ]),
        "Workspace": view(&[
            ("id", "string"), ("label", "string"), ("phase", "string"), ("spec", "WorkspaceSpec"),
            ("ephemeral", "boolean"), ("started_at_ms", "integer|null"), ("expires_at_ms", "integer|null"),
            ("processes_alive", "integer"), ("commands", "integer"), ("pipelines", "integer"),
            ("stats", "object|null"), ("effective", "array"),
        ]),
        "Workspaces": list("Workspace"),
        "WorkspaceDetail": view(&[("workspace", "Workspace"), ("commands", "Commands"), ("pipelines", "Pipelines")]),
        "Stats": view(&[("workspace", "Workspace"), ("history", "array")]),
        "StatsOfAll": list("Stats"),
        "Means": view(&[("means", "array")]),
        "Command": view(&[
            ("id", "string"), ("label", "string"), ("kind", "string"), ("workspace", "string"),
            ("workspace_id", "string"), ("phase", "string"), ("desired", "string"), ("pid", "integer|null"),
            ("restarts", "integer"), ("next_at_ms", "integer|null"), ("started_at_ms", "integer|null"),
            ("exit", "object|null"), ("failure", "object|null"), ("argv", "array"), ("cpu_usec", "integer|null"),
            ("rss_bytes", "integer|null"),
        ]),
        "Commands": list("Command"),
        "Pipeline": view(&[
            ("id", "string"), ("label", "string"), ("workspace", "string"), ("workspace_id", "string"),
            ("phase", "string"), ("desired", "string"), ("verdict", "string|null"), ("cause", "string|null"),
            ("epoch", "integer"), ("restarts", "integer"), ("next_at_ms", "integer|null"),
            ("started_at_ms", "integer|null"), ("ended_at_ms", "integer|null"), ("nodes", "array"), ("edges", "array"),
        ]),
        "Pipelines": list("Pipeline"),
        "SavedPipeline": view(&[("name", "string"), ("spec", "PipelineSpec")]),
        "SavedPipelines": list("SavedPipeline"),
        "Caller": view(&[("cwd", "string"), ("env", "object")]),
        "UpBody": view(&[("card", "Card"), ("caller", "Caller"), ("replace", "boolean")]),
        "Up": view(&[("workspace", "Workspace"), ("created", "boolean"), ("changes", "array")]),
        "ExecBody": view(&[
            ("target", "object"), ("command", "CommandRef"), ("caller", "Caller"), ("stdin", "boolean"),
            ("timeout_ms", "integer|null"),
        ]),
        "Exec": view(&[("workspace", "Workspace"), ("command", "Command")]),
        "RunBody": view(&[
            ("workspace", "string|null"), ("spec", "object|null"), ("saved", "string|null"), ("caller", "Caller"),
            ("replace", "boolean"), ("tap", "boolean"),
        ]),
        "Acted": view(&[("acted", "array")]),
        "Wait": view(&[("settled", "boolean"), ("ok", "boolean"), ("detail", "object")]),
        "Removed": view(&[("removed", "string")]),
        "Event": view(&[
            ("seq", "integer"), ("at_ms", "integer"), ("kind", "string"), ("workspace", "string"),
            ("object", "string"), ("data", "object"),
        ]),
        "State": { "type": "object", "description": "state.json of the newest version (docs/state-format.md)" },
        "Stopping": view(&[("stopping", "boolean"), ("pid", "integer")]),
    });
    if let Some(all) = all.as_object_mut() {
        all.extend(crate::schema::card_definitions());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the router's own text, so that a route can't be served without being described.
    #[test]
    fn every_route_is_described_with_its_methods() {
        let mut served = Vec::new();
        for call in include_str!("mod.rs").split(".route(").skip(1) {
            let call = call.split(".fallback(").next().unwrap_or_default();
            let (path, methods) = call.trim_start().trim_start_matches('"').split_once('"').unwrap();
            for method in ["get", "post", "put", "delete"] {
                if methods.contains(&format!(" {method}(")) || methods.contains(&format!(".{method}(")) {
                    served.push(format!("{method} {path}"));
                }
            }
        }
        let mut described: Vec<String> =
            ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        served.sort();
        described.sort();
        assert!(served.len() > 20, "the routes were not found in the text: {served:?}");
        assert_eq!(served, described);
    }

    #[test]
    fn every_reference_has_its_schema() {
        let document = document();
        let text = document.to_string();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
}
