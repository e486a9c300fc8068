"use strict";
for (const field of document.querySelectorAll(".search")) {
  const input = field.querySelector("input"), nothing = field.querySelector("[role=status]");
  const folds = [...field.parentElement.querySelectorAll("details[data-searched]")];
  field.hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const fold of folds) {
      const title = (fold.dataset.searched + " " + fold.querySelector("summary").textContent).toLowerCase();
      let left = 0;
      for (const row of fold.querySelectorAll("tbody tr")) {
        const text = title + " " + row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        left += !row.hidden;
      }
      fold.hidden = words.length > 0 && !left;
      fold.open = words.length > 0 && left > 0;
      shown += !fold.hidden;
    }
    nothing.hidden = shown > 0;
  });
}
