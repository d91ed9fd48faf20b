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
    for (const part of document.querySelectorAll("details.answer:not([open]), #printed details:not([open])")) {
      part.open = true;
      opened.push(part);
    }
  });
  window.addEventListener("afterprint", () => { while (opened.length) opened.pop().open = false; });
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
})();
