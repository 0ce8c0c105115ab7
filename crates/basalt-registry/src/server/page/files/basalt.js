// What needs JavaScript is hidden until it is there: buttons that copy, and lists that are filtered while one writes.
"use strict";

const status = document.getElementById("status");

for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) break;
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      status.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
      status.textContent = "It could not be copied";
    }
    setTimeout(() => {
      button.textContent = words;
      status.textContent = "";
    }, 1600);
  });
}

for (const input of document.querySelectorAll("input[data-filter]")) {
  const table = document.getElementById(input.dataset.filter);
  const rows = table ? [...table.querySelectorAll("tr[data-text]")] : [];
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = !row.dataset.text.toLowerCase().includes(wanted);
      if (!row.hidden) shown += 1;
    }
    status.textContent = `${shown} of ${rows.length} shown`;
  });
}

// A slash goes to the field to look for something with, as people are used to.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof HTMLElement && event.target.closest("input, textarea, select")) return;
  const field = document.getElementById("q");
  if (field) {
    event.preventDefault();
    field.focus();
  }
});
