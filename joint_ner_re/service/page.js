"use strict";
// Text is only ever set as text. Markup comes from the drawing, where everything is escaped.

const byId = (id) => document.getElementById(id);
// So many lines of a table are shown; the JSON has all.
const MAX_ROWS = 500;

let own = 0.5; // The model's threshold; several if each type has one.
let threshold = null; // What the slider says; null for the model's.
let shown = null; // The record in sight.
let asked = 0; // The number of the last question, so that late answers are dropped.

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const count = (number, one, many) =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

function say(text, isProblem = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("problem", isProblem);
}

// Asking

async function find() {
  const text = byId("text").value;
  const number = ++asked;
  byId("copied").textContent = "";
  if (!text.trim()) {
    byId("result").hidden = true;
    shown = null;
    say("The text is empty: type or paste one.");
    return;
  }
  say("…");
  byId("result").classList.add("old");
  let answer;
  try {
    answer = await ask(threshold === null ? { text } : { text, threshold });
  } catch (error) {
    if (number !== asked) return;
    byId("result").hidden = true;
    shown = null;
    say(error.message, true);
    return;
  }
  if (number === asked) show(answer);
}

async function ask(body) {
  let response;
  try {
    response = await fetch("draw", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The service does not answer. Does it still run?");
  }
  let content;
  try {
    content = await response.json();
  } catch {
    throw new Error(`The service answered with status ${response.status} and no JSON.`);
  }
  if (!response.ok) throw new Error(`${response.status}: ${content.detail}`);
  return content;
}

// Showing

function show(answer) {
  shown = answer.document;
  const { entities, relations } = shown;
  const left = answer.relations_not_drawn;
  say(`${count(entities.length, "entity", "entities")}, `
    + count(relations.length, "relation", "relations")
    + (left ? `; the drawing leaves out the ${left.toLocaleString("en")} least probable` : ""));
  const drawing = document.createElement("template");
  drawing.innerHTML = answer.drawing;
  byId("drawing").replaceChildren(drawing.content);
  fill("entities", ["entity", "type", "probability", "characters"], entities.map((entity) => [
    entity.text, entity.type, entity.score, `${entity.char_start}–${entity.char_end}`,
  ]));
  fill("relations", ["head", "relation", "tail", "probability"], relations.map((relation) => [
    entities[relation.head].text, relation.type, entities[relation.tail].text, relation.score,
  ]));
  byId("result").hidden = false;
  byId("result").classList.remove("old");
}

function fill(id, names, rows) {
  const head = element("tr");
  for (const name of names) head.append(element("th", name, { scope: "col" }));
  const lines = rows.slice(0, MAX_ROWS).map((row) => {
    const line = element("tr");
    for (const value of row) {
      line.append(typeof value === "number"
        ? element("td", value.toFixed(3), { class: "number" }) : element("td", value));
    }
    return line;
  });
  byId(id).replaceChildren();
  if (!rows.length) return;
  const more = rows.length > MAX_ROWS ? `, the first ${MAX_ROWS}` : "";
  const title = id === "entities" ? "Entities" : "Relations";
  const [top, body] = [element("thead"), element("tbody")];
  top.append(head);
  body.append(...lines);
  byId(id).append(element("caption", title + more), top, body);
}

async function copy() {
  const text = JSON.stringify(shown, null, 1);
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers offer the clipboard on this machine's own and on encrypted pages only.
    const area = element("textarea", text);
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  byId("copied").textContent = done ? "Copied." : "The browser does not allow it.";
}

// The slider

const isNumber = (value) => typeof value === "number";

function showThreshold() {
  const given = threshold === null ? own : threshold;
  if (isNumber(given)) byId("threshold").value = given;
  byId("chosen").textContent = isNumber(given) ? given.toFixed(2) : "by type";
  byId("own").disabled = threshold === null;
}

function again() {
  if (byId("text").value.trim()) find();
}

async function start() {
  showThreshold();
  try {
    const model = await (await fetch("model")).json();
    own = model.threshold;
    showThreshold();
    byId("about").textContent = `Entities: ${model.entity_types.join(", ")}. `
      + `Relations: ${model.relation_types.join(", ") || "none"}. `
      + `At most ${count(model.limits.max_characters, "character", "characters")}.`;
  } catch {
    say("The service does not answer. Does it still run?", true);
  }
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  find();
});
byId("text").addEventListener("keydown", (event) => {
  // An Enter that ends the composition of a character belongs to the keyboard.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  find();
});
byId("threshold").addEventListener("input", () => {
  threshold = Number(byId("threshold").value);
  showThreshold();
});
byId("threshold").addEventListener("change", again);
byId("own").addEventListener("click", () => {
  threshold = null;
  showThreshold();
  again();
});
for (const button of document.querySelectorAll(".example")) {
  button.addEventListener("click", () => {
    byId("text").value = button.dataset.text;
    find();
  });
}
byId("copy").addEventListener("click", copy);
start();
