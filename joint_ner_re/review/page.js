"use strict";
// What is shown is in `state`, which the address holds, too: a link opens the same view.
// Text is only ever set as text. Markup comes from the drawings, where everything is escaped.

const byId = (id) => document.getElementById(id);
const rows = JSON.parse(byId("rows").textContent);
const summary = JSON.parse(byId("summary").textContent);
const [ID, TEXT, MARKUP, ITEMS] = [0, 1, 2, 3];
const items = summary.items.map(([task, kind, predicted, gold, count]) => ({
  task, kind, types: [predicted, gold], count,
}));
const entityTypes = summary.types.filter(([task]) => task === "entity").map(([, name]) => name);
// The class that gives a type of entity its colour, where kinds of errors do not need them.
const colour = (type) => "t" + (entityTypes.indexOf(type) % 8);
const ERRORS = summary.kinds.map((kind) => kind.name).filter((name) => name !== "correct");
const names = { entity: "Entities", relation: "Relations" };

let state;
let found = []; // The numbers of the rows that fit.
let wanted = null; // For every item whether it fits; null where all do.
let searchable = null;

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// The state and the address

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const kinds = (given.get("error") || "").split(",");
  const known = summary.kinds.map((kind) => kind.name);
  state = {
    kinds: kinds.includes("any") ? ERRORS : known.filter((name) => kinds.includes(name)),
    type: given.get("type") || "",
    task: Object.keys(names).includes(given.get("task")) ? given.get("task") : "",
    search: given.get("search") || "",
    page: Math.max(1, parseInt(given.get("page"), 10) || 1),
  };
}

function write() {
  const given = new URLSearchParams();
  if (state.kinds.length) {
    const any = state.kinds.length === ERRORS.length && !state.kinds.includes("correct");
    given.set("error", any ? "any" : state.kinds.join(","));
  }
  for (const key of ["type", "task", "search"]) if (state[key]) given.set(key, state[key]);
  if (state.page > 1) given.set("page", state.page);
  const hash = given.toString().replaceAll("%2C", ",");
  history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
}

function change(changes) {
  Object.assign(state, { page: 1 }, changes);
  filter();
}

// Which sentences

function fits(item) {
  return (!state.kinds.length || state.kinds.includes(item.kind))
    && (!state.task || state.task === item.task)
    && (!state.type || item.types.includes(state.type));
}

function filter() {
  wanted = state.kinds.length || state.task || state.type ? items.map(fits) : null;
  const needle = state.search.normalize().toLowerCase();
  if (needle && !searchable) {
    searchable = rows.map((row) => (row[TEXT] + "\n" + row[ID]).normalize().toLowerCase());
  }
  found = [];
  let hits = 0;
  rows.forEach((row, number) => {
    if (needle && !searchable[number].includes(needle)) return;
    const here = wanted ? row[ITEMS].filter((item) => wanted[item]).length : 1;
    if (!here) return;
    hits += here;
    found.push(number);
  });
  const all = rows.length.toLocaleString("en");
  const some = found.length.toLocaleString("en");
  byId("status").textContent = found.length === rows.length
    ? `${all} sentence${rows.length === 1 ? "" : "s"}` : `${some} of ${all} sentences`;
  if (wanted) {
    byId("status").textContent += `, ${hits.toLocaleString("en")} match${hits === 1 ? "" : "es"}`;
  }
  show();
}

// The page of sentences

function show() {
  const pages = Math.max(1, Math.ceil(found.length / summary.perPage));
  state.page = Math.min(state.page, pages);
  const first = (state.page - 1) * summary.perPage;
  const articles = found.slice(first, first + summary.perPage).map(article);
  byId("sentences").replaceChildren(...articles);
  if (!articles.length) byId("sentences").append(element("p", "No sentence fits."));
  byId("page").value = state.page;
  byId("page").max = pages;
  byId("pages").textContent = pages.toLocaleString("en");
  byId("previous").disabled = state.page === 1;
  byId("next").disabled = state.page === pages;
  byId("search").value = state.search;
  byId("type").value = JSON.stringify([state.task, state.type]);
  for (const button of byId("kinds").children) {
    const kinds = JSON.parse(button.value);
    button.setAttribute("aria-pressed", kinds.every((kind) => state.kinds.includes(kind)));
  }
  write();
}

function article(number) {
  const made = element("article", null, { id: "sentence-" + (number + 1) });
  const heading = element("h2");
  heading.append(element("bdi", rows[number][ID]));
  const body = document.createElement("template");
  body.innerHTML = rows[number][MARKUP];
  for (const drawn of body.content.querySelectorAll("[data-i]")) {
    if (!summary.checked && drawn.localName === "mark") {
      drawn.classList.add(colour(items[drawn.dataset.i].types[0]));
    }
    const apart = wanted && !wanted[drawn.dataset.i]
      && (!state.task || state.task === items[drawn.dataset.i].task);
    drawn.classList.toggle("other", Boolean(apart));
  }
  made.append(heading, body.content);
  return made;
}

function turn(page) {
  if (page === state.page) return;
  state.page = Math.max(1, page || 1);
  show();
  if (byId("controls").getBoundingClientRect().top <= 0) byId("sentences").scrollIntoView();
}

// What stands on top

function count(task, type, kind) {
  return items
    .filter((item) => item.task === task && (!type || item.types.includes(type))
      && (!kind || item.kind === kind))
    .reduce((sum, item) => sum + item.count, 0);
}

function countCell(task, type, kind) {
  const number = count(task, type, kind);
  const cell = element("td", null, number ? {} : { class: "zero" });
  if (!number) {
    cell.textContent = "0";
    return cell;
  }
  const button = element("button", number.toLocaleString("en"), {
    type: "button", class: kind, title: "Show these",
  });
  button.addEventListener("click", () => change({ task, type, kinds: kind ? [kind] : [] }));
  cell.append(button);
  return cell;
}

function checkedTable() {
  const head = element("tr");
  for (const name of ["", "precision", "recall", "F1", "gold", "predicted"]) {
    head.append(element("th", name));
  }
  for (const kind of summary.kinds) {
    head.append(element("th", `${kind.icon} ${kind.label}`, { title: kind.meaning }));
  }
  const lines = summary.scores.map((line) => {
    const made = element("tr", null, { class: line.total ? "total" : line.note ? "note" : "" });
    const type = line.total ? "" : line.name;
    made.append(element("th", line.total ? `${names[line.task]}, all` : line.name, { scope: "row" }));
    for (const name of ["precision", "recall", "f1"]) {
      made.append(element("td", (100 * line[name]).toFixed(1)));
    }
    for (const name of ["gold", "predicted"]) {
      made.append(element("td", line.note ? "" : line[name].toLocaleString("en")));
    }
    for (const kind of summary.kinds) {
      const none = line.note || !kind.tasks.includes(line.task);
      made.append(none ? element("td") : countCell(line.task, type, kind.name));
    }
    return made;
  });
  byId("rules").textContent = "Scores are strict, in percent: an entity is right when its span and "
    + "its type are, a relation when both its entities, its type and its direction are. A number "
    + "shows its sentences. What has a wrong type is counted in the lines of both types.";
  return [head, lines];
}

function plainTable() {
  const head = element("tr");
  head.append(element("th"), element("th", "number"));
  const lines = [];
  for (const task of Object.keys(names)) {
    const types = ["", ...summary.types.filter((type) => type[0] === task).map((type) => type[1])];
    for (const type of types) {
      const made = element("tr", null, { class: type ? "" : "total" });
      const name = element("th", type || names[task], { scope: "row" });
      if (type && task === "entity") name.classList.add(colour(type));
      made.append(name, countCell(task, type, ""));
      lines.push(made);
    }
  }
  return [head, lines];
}

function build() {
  const [head, lines] = summary.checked ? checkedTable() : plainTable();
  const [top, body] = [element("thead"), element("tbody")];
  top.append(head);
  body.append(...lines);
  byId("scores").append(top, body);

  const choices = summary.kinds.map((kind) => ({ ...kind, kinds: [kind.name] }));
  const any = { name: "any", icon: "!", label: "any error", kinds: ERRORS, meaning: "not correct" };
  for (const kind of summary.checked ? [any, ...choices] : []) {
    const number = kind.kinds
      .map((name) => count("entity", "", name) + count("relation", "", name))
      .reduce((sum, next) => sum + next, 0);
    const button = element("button", `${kind.icon} ${kind.label} ${number.toLocaleString("en")}`, {
      type: "button", class: kind.name, title: kind.meaning, value: JSON.stringify(kind.kinds),
    });
    button.addEventListener("click", () => {
      const pressed = button.getAttribute("aria-pressed") === "true";
      const others = state.kinds.filter((name) => !kind.kinds.includes(name));
      change({ kinds: pressed ? others : [...others, ...kind.kinds] });
    });
    byId("kinds").append(button);
  }

  const option = (task, type, text) =>
    element("option", text, { value: JSON.stringify([task, type]) });
  byId("type").append(option("", "", "all"));
  for (const task of Object.keys(names)) {
    const group = element("optgroup", null, { label: names[task] });
    group.append(option(task, "", "all " + names[task].toLowerCase()));
    for (const [of, name] of summary.types) if (of === task) group.append(option(task, name, name));
    byId("type").append(group);
  }
}

// Controls

byId("type").addEventListener("change", () => {
  const [task, type] = JSON.parse(byId("type").value);
  change({ task, type });
});
byId("search").addEventListener("input", () => change({ search: byId("search").value }));
byId("reset").addEventListener("click", () => change({ kinds: [], type: "", task: "", search: "" }));
byId("previous").addEventListener("click", () => turn(state.page - 1));
byId("next").addEventListener("click", () => turn(state.page + 1));
byId("page").addEventListener("change", () => turn(parseInt(byId("page").value, 10)));
byId("controls").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", () => { read(); complete(); filter(); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const typing = ["INPUT", "SELECT"].includes(document.activeElement.tagName);
  if (typing && event.key === "Escape") document.activeElement.blur();
  if (typing) return;
  if (event.key === "ArrowLeft" && state.page > 1) turn(state.page - 1);
  if (event.key === "ArrowRight") turn(state.page + 1);
  if (event.key === "/") {
    event.preventDefault();
    byId("search").focus();
  }
});

// A link may give a type without saying of what: then it is that of the first task that has it.
function complete() {
  if (!state.type) return;
  const of = summary.types.filter((type) => type[1] === state.type).map((type) => type[0]);
  if (!of.includes(state.task)) state.task = of[0] || "";
}

build();
read();
complete();
filter();
