// The open overview is told anew how things are; without this script it is as it was when it was loaded.
const place = document.querySelector("[data-live-from]");
if (place) {
  const known = {};
  // Who is at a link with the keyboard stays at it; what somebody has marked is left alone until they have done.
  const replace = (part, html) => {
    if (known[part.dataset.part] === html || getSelection()?.containsNode(part, true) && !getSelection().isCollapsed) return;
    const at = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.innerHTML = known[part.dataset.part] = html;
    if (at !== null) part.querySelector(`[href="${CSS.escape(at)}"]`)?.focus();
  };
  const put = (told) => {
    const level = place.querySelector("[data-live-level]");
    level.className = `sentence ${told.level}`;
    const sentence = level.querySelector("[data-live-sentence]");
    if (sentence.textContent !== told.sentence) sentence.textContent = told.sentence;
    for (const part of place.querySelectorAll("[data-part]")) {
      const html = told.parts?.[part.dataset.part];
      if (html !== undefined) replace(part, html);
    }
  };
  const source = new EventSource(place.dataset.liveFrom);
  source.addEventListener("overview", (event) => put(JSON.parse(event.data)));
  source.addEventListener("away", (event) => put({ ...JSON.parse(event.data), level: "ill" }));
  window.addEventListener("pagehide", () => source.close());
}

// A run that is not at its end is looked at again; a form that somebody is at is left alone.
const again = document.querySelector("[data-reload-seconds]");
if (again) setTimeout(() => location.reload(), 1000 * Number(again.dataset.reloadSeconds));

// On a phone the pages' names go beyond the edge: the one that is open is brought into sight.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// What is wrong with a mapping is told while it is written; without this script it is told when it is sent.
const written = document.querySelector("[data-check]");
if (written) {
  const place = document.querySelector("[data-checked]");
  let pause;
  let asked = 0;
  const tell = (lines, name) => {
    const list = document.createElement("ul");
    list.className = "lines";
    for (const line of lines) {
      const item = document.createElement("li");
      item.className = name;
      item.textContent = line;
      list.append(item);
    }
    place.replaceChildren(list);
  };
  const check = async () => {
    const number = ++asked;
    const body = new URLSearchParams({ csrf: written.form.elements.csrf.value, yaml: written.value });
    try {
      const reply = await fetch(written.dataset.check, { method: "POST", body, headers: { Accept: "application/json" } });
      const told = await reply.json();
      if (number !== asked) return;
      if (!reply.ok) tell([told.detail], "wrong");
      else if (told.problems.length) tell(told.problems, "wrong");
      else tell([...told.differences, ...told.notes], "");
    } catch {
      if (number === asked) tell(["it could not be looked at now; it is when it is planned"], "quiet");
    }
  };
  written.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(check, 500);
  });
}
