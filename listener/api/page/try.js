"use strict";

const make = (tag, attributes = {}, ...inside) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
};

const resolved = (schema, api) =>
  schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema;

// What somebody could send: the schema's own example where it has one.
const example = (given, api, depth = 0) => {
  const schema = resolved(given, api);
  if (schema.examples) return schema.examples[0];
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf || schema.oneOf) return example((schema.anyOf || schema.oneOf)[0], api, depth + 1);
  if (depth > 4) return null;
  switch (schema.type) {
    case "object": {
      const told = {};
      for (const name of schema.required || []) told[name] = example(schema.properties[name], api, depth + 1);
      return told;
    }
    case "array": return [];
    case "integer": case "number": return schema.minimum || 1;
    case "boolean": return false;
    default: return "";
  }
};

const send = async (method, path, operation, form, shown) => {
  const query = new URLSearchParams();
  const headers = { Accept: "application/json" };
  const key = document.getElementById("key").value.trim();
  if (key) headers.Authorization = `Bearer ${key}`;
  let address = path;
  for (const parameter of operation.parameters || []) {
    const value = form.elements[`${parameter.in}:${parameter.name}`].value;
    if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value && parameter.in === "query") query.set(parameter.name, value);
    else if (value) headers[parameter.name] = value;
  }
  const options = { method, headers };
  if (operation.requestBody) {
    headers["Content-Type"] = "application/json";
    options.body = form.elements.body.value;
  }
  const asked = query.toString();
  shown.textContent = "…";
  try {
    const answer = await fetch(asked ? `${address}?${asked}` : address, options);
    const text = await answer.text();
    let body = text;
    try { body = JSON.stringify(JSON.parse(text), null, 2); } catch { /* a page: shown as it is */ }
    const named = ["etag", "location", "retry-after", "x-request-id"]
      .filter((name) => answer.headers.get(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
    shown.textContent = [`${answer.status} ${answer.statusText}`, ...named, "", body].join("\n");
  } catch (error) {
    shown.textContent = `no answer: ${error.message}`;
  }
};

const operationShown = (path, method, operation, api) => {
  const shown = make("pre", { "aria-label": "answer" });
  const form = make("form");
  for (const parameter of operation.parameters || []) {
    const input = make("input", { name: `${parameter.in}:${parameter.name}`, title: parameter.description || "" });
    if (parameter.required) input.required = true;
    form.append(make("label", {}, make("span", {}, `${parameter.name} (${parameter.in})`), input));
  }
  if (operation.requestBody) {
    const schema = operation.requestBody.content["application/json"].schema;
    const body = make("textarea", { name: "body", spellcheck: "false", "aria-label": "body" });
    body.value = JSON.stringify(example(schema, api), null, 2);
    form.append(body);
  }
  form.append(make("button", {}, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(method.toUpperCase(), path, operation, form, shown);
  });
  const title = make("summary", {}, make("span", { class: "method" }, method.toUpperCase()), make("code", {}, path),
    make("span", { class: "muted" }, ` ${operation.summary}`));
  const about = make("p", { class: "muted" }, operation.description || "Needs no key.");
  return make("details", {}, title, about, form, shown);
};

const show = async () => {
  const api = await (await fetch("/api/openapi.json")).json();
  document.getElementById("about").textContent = api.info.description;
  const all = document.getElementById("operations");
  for (const tag of api.tags) {
    const found = Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods)
      .filter(([, operation]) => operation.tags.includes(tag.name))
      .map(([method, operation]) => operationShown(path, method, operation, api)));
    if (found.length) all.append(make("h2", {}, tag.name), ...found);
  }
};

show();
