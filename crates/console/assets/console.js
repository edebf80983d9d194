// What makes the pages quicker to use; each works without it. Nothing here writes HTML: figures, and the rows of what is
// marked, are taken over from a newer page as the server has rendered it.
"use strict";

const PERIOD = 10_000;

// Buttons that copy the text beside them, or what they name.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const from = button.dataset.copy || button.parentElement.querySelector("pre").textContent;
    const label = button.firstChild;
    const before = label.nodeValue;
    try {
      await navigator.clipboard.writeText(from);
      label.nodeValue = "Copied";
    } catch {
      label.nodeValue = "Select and copy";
    }
    setTimeout(() => (label.nodeValue = before), 2_000);
  });
}

const live = () => document.querySelectorAll("[data-live]");
const rows = () => document.querySelectorAll("[data-rows]");

// Whether somebody is at something in there: it has the focus, text of it is marked, or something is unfolded.
function isBusy(element) {
  const marked = getSelection();
  return (
    element.contains(document.activeElement) ||
    (!marked.isCollapsed && marked.containsNode(element, true)) ||
    element.querySelector("details[open]") !== null
  );
}

// Takes the figures and rows of a newer page over into this one. What somebody is at keeps its rows until the next time.
function replace(next) {
  for (const element of rows()) {
    const other = next.querySelector(`[data-rows="${CSS.escape(element.dataset.rows)}"]`);
    if (!other || isBusy(element) || element.innerHTML === other.innerHTML) continue;
    element.replaceChildren(...document.importNode(other, true).childNodes);
  }
  const fresh = new Map([...next.querySelectorAll("[data-live]")].map((element) => [element.dataset.live, element]));
  for (const element of live()) {
    const other = fresh.get(element.dataset.live);
    if (!other) continue;
    if (element.textContent !== other.textContent) element.textContent = other.textContent;
    for (const name of ["datetime", "title", "value"]) {
      const value = other.getAttribute(name);
      if (value !== null && element.getAttribute(name) !== value) element.setAttribute(name, value);
    }
  }
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { "X-Stocktake-Live": "1" }, redirect: "manual" });
    if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The next time comes soon enough.
  }
}

if (live().length > 0 || rows().length > 0) {
  setInterval(refresh, PERIOD);
  document.addEventListener("visibilitychange", refresh);
}
