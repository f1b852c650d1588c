"use strict";
// Puts what has changed into the page as it happens; without it the page is read as it was when it was opened.
const live = document.getElementById("live");
if (live && window.EventSource) {
  const link = document.getElementById("link");
  const source = new EventSource(live.dataset.live);
  source.onmessage = (event) => {
    link.textContent = "";
    show(JSON.parse(event.data));
  };
  source.onerror = () => { link.textContent = "The console does not answer. What is shown is what was seen before."; };
  addEventListener("pagehide", () => source.close());
}

function show({ order, blocks }) {
  const focused = document.activeElement && document.activeElement.id;
  const open = new Set([...live.querySelectorAll("details[open]")].map((one) => one.id));
  for (const [id, html] of Object.entries(blocks)) {
    const made = document.createElement("template");
    made.innerHTML = html;
    const block = made.content.firstElementChild;
    const there = document.getElementById(id);
    if (there) there.replaceWith(block); else live.append(block);
  }
  const wanted = new Set(order);
  for (const block of [...live.children]) if (!wanted.has(block.id)) block.remove();
  order.forEach((id, place) => {
    const block = document.getElementById(id);
    if (live.children[place] !== block) live.insertBefore(block, live.children[place] || null);
  });
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused && document.activeElement.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const text = document.getElementById(button.dataset.copy);
  button.hidden = false;
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(text);
    // Where the page has not come over TLS browsers leave the clipboard to the reader: it is selected.
    if (!navigator.clipboard) return;
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  });
}
