"use strict";
const all = (what, root = document) => [...root.querySelectorAll(what)];

// Sort: first click descending, second ascending; cells without a score stay at the end.
const table = document.getElementById("table");
const heads = all("thead th", table);
heads.forEach((head, i) => head.querySelector("button").addEventListener("click", () => {
  const first = i === 0 ? "ascending" : "descending";
  const other = i === 0 ? "descending" : "ascending";
  const way = head.getAttribute("aria-sort") === first ? other : first;
  heads.forEach(h => h.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", way);
  const key = row => row.children[i].dataset.sort;
  const rows = all("tbody tr", table).sort((a, b) => {
    if (key(a) === "" || key(b) === "") return (key(a) === "") - (key(b) === "");
    return (Number(key(a)) - Number(key(b))) * (way === "ascending" ? 1 : -1);
  });
  rows.forEach(row => row.parentNode.append(row));
}));

// Filter: a rule that is not ticked disappears from tables, plots, findings and cards.
const boxes = all(".filter input");
function filter() {
  const hidden = new Set(boxes.filter(box => !box.checked).map(box => box.value));
  all("[data-rule]").forEach(part => part.classList.toggle("off", hidden.has(part.dataset.rule)));
}
boxes.forEach(box => box.addEventListener("change", filter));
for (const [id, on] of [["all", true], ["none", false]]) {
  document.getElementById(id)?.addEventListener("click", () => {
    boxes.forEach(box => { box.checked = on; });
    filter();
  });
}
filter();

// A number's source: light its cells on hover, go to them on a click.
const cellsOf = link => link.dataset.cells.split(" ").map(id => document.getElementById(id));
all("a.n").forEach(link => {
  const light = on => cellsOf(link).forEach(cell => cell.classList.toggle("lit", on));
  ["mouseenter", "focus"].forEach(name => link.addEventListener(name, () => light(true)));
  ["mouseleave", "blur"].forEach(name => link.addEventListener(name, () => light(false)));
  link.addEventListener("click", () => {
    const cells = cellsOf(link), rules = cells.map(cell => cell.parentNode.dataset.rule);
    boxes.filter(box => rules.includes(box.value)).forEach(box => { box.checked = true; });
    filter();
    all("td.source").forEach(cell => cell.classList.remove("source"));
    cells.forEach(cell => cell.classList.add("source"));
    cells[0].focus({ preventScroll: true });
  });
});
