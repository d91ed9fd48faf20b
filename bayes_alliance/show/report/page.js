"use strict";
(() => {
  // Numbers first by their leading number, then text; cells without either stay last.
  const key = (cell) => {
    const text = cell.textContent.trim().replace(/\u2212/g, "-");
    const number = /^[<>~]?\s*(-?\d[\d,]*\.?\d*(?:e-?\d+)?)/i.exec(text);
    if (text === "") return [2, ""];
    return number ? [0, parseFloat(number[1].replace(/,/g, ""))] : [1, text.toLowerCase()];
  };
  const compare = (a, b) => (a[0] !== b[0] ? a[0] - b[0] : a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0);
  const sortBy = (table, column, head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
    rows.sort((a, b) => (a[0][0] === 2 || b[0][0] === 2 ? a[0][0] - b[0][0] : (down ? -1 : 1) * compare(a[0], b[0])));
    body.append(...rows.map((pair) => pair[1]));
  };
  for (const table of document.querySelectorAll("table")) {
    if (!table.tHead || table.tBodies[0].rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sortBy(table, column, head));
    });
  }

  // A long table can be searched: rows without the text are hidden.
  for (const table of document.querySelectorAll("table")) {
    if (!table.tHead || table.tBodies[0].rows.length <= 30) continue;
    const label = document.createElement("label");
    const field = document.createElement("input");
    label.className = "search";
    label.append("Search: ", field);
    field.type = "search";
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    table.closest(".scroll").before(label);
  }

  for (const button of document.querySelectorAll("button[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    if (!source) continue;
    const name = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const paragraphs = [...source.querySelectorAll("p")].map((p) => p.textContent.trim());
      const text = paragraphs.length ? paragraphs.join("\n\n") : source.textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        // A browser without the right to the clipboard: the text is marked, to be copied by hand.
        if (source.closest("details")) source.closest("details").open = true;
        window.getSelection().selectAllChildren(source);
        button.textContent = "Text selected: press Ctrl+C";
      }
      setTimeout(() => { button.textContent = name; }, 2500);
    });
  }

  const choice = document.getElementById("prior-choice");
  if (choice) {
    const select = choice.querySelector("select");
    const show = () => {
      for (const row of document.querySelectorAll("tr[data-prior]")) {
        row.hidden = select.value !== "" && row.dataset.prior !== select.value;
      }
    };
    choice.hidden = false;
    select.addEventListener("change", show);
    show();
  }

  const tip = document.getElementById("tip");
  const place = (event) => {
    tip.style.left = `${Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.max(event.clientY - tip.offsetHeight - 12, 8)}px`;
  };
  for (const mark of document.querySelectorAll("svg g.value")) {
    const title = mark.querySelector("title");
    if (!title) continue;
    const text = title.textContent;
    const show = (event) => { tip.textContent = text; tip.hidden = false; place(event); };
    mark.addEventListener("pointerenter", show);
    mark.addEventListener("pointerdown", show);
    mark.addEventListener("pointermove", place);
    mark.addEventListener("pointerleave", () => { tip.hidden = true; });
    // The browser's own tooltip would stand beside this one.
    title.remove();
  }

  const opened = [];
  window.addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details.main-finding:not([open])")) {
      part.open = true;
      opened.push(part);
    }
  });
  window.addEventListener("afterprint", () => { while (opened.length) opened.pop().open = false; });
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
})();
