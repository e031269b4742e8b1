// Sorting and filtering of the boards. Without this file the tables stand in the order of their ranks.
(function () {
  "use strict";

  function value(row, index) {
    var cell = row.cells[index];
    return cell && cell.firstChild ? parseFloat(cell.firstChild.textContent) : NaN;
  }

  function text(row) {
    return row.cells[0].textContent.trim().toLowerCase();
  }

  // Rows without a value stay last whichever way the column is sorted.
  function sort(table, index, kind, ascending) {
    var body = table.tBodies[0];
    var rows = Array.prototype.slice.call(body.rows);
    var keys = new Map(rows.map(function (row) { return [row, kind === "text" ? text(row) : value(row, index)]; }));
    rows.sort(function (a, b) {
      var x = keys.get(a), y = keys.get(b);
      if (kind === "text") return ascending ? x.localeCompare(y) : y.localeCompare(x);
      if (isNaN(x) || isNaN(y)) return (isNaN(x) ? 1 : 0) - (isNaN(y) ? 1 : 0);
      return ascending ? x - y : y - x;
    });
    var all = document.createDocumentFragment();
    rows.forEach(function (row) { all.appendChild(row); });
    body.appendChild(all);
  }

  function sortable(table) {
    var heads = table.querySelectorAll("tr.heads th");
    heads.forEach(function (head, index) {
      var kind = head.dataset.sort;
      if (!kind) return;
      var button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      var name = head.querySelector("a") ? head.querySelector("a").textContent : head.textContent;
      button.setAttribute("aria-label", "Sort by " + name.trim());
      head.appendChild(button);
      button.addEventListener("click", function () {
        var first = kind === "down" ? "descending" : "ascending";
        var now = head.getAttribute("aria-sort");
        var next = now === first ? (first === "ascending" ? "descending" : "ascending") : first;
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", next);
        sort(table, index, kind, next === "ascending");
        table.dispatchEvent(new Event("sorted"));
      });
    });
  }

  // Hides the columns of other scenarios, those that were not chosen, and of folded groups all that is left but the first.
  function showColumns(table) {
    var heads = Array.prototype.slice.call(table.querySelectorAll("tr.heads th"));
    var scenario = table.dataset.scenario || "";
    var hidden = heads.map(function (head) { return !!(scenario && head.dataset.scenario && head.dataset.scenario !== scenario) || head.dataset.off === "true"; });
    var index = heads.findIndex(function (head) { return head.classList.contains("cost") || head.classList.contains("score"); });
    table.querySelectorAll("tr.tasks .group").forEach(function (group) {
      var span = parseInt(group.dataset.span = group.dataset.span || group.colSpan, 10);
      var left = [];
      for (var i = index; i < index + span; i++) if (!hidden[i]) left.push(i);
      var button = group.querySelector(".fold");
      var folded = button && button.getAttribute("aria-expanded") === "false";
      if (folded) left.slice(1).forEach(function (i) { hidden[i] = true; });
      if (button) {
        button.hidden = !phone.matches || left.length < 2;
        button.textContent = folded ? "+" + (left.length - 1) : "–";
        button.setAttribute("aria-label", button.textContent + " columns of " + button.dataset.of);
      }
      group.hidden = left.length === 0;
      group.colSpan = Math.max(folded ? 1 : left.length, 1);
      index += span;
    });
    heads.forEach(function (head, index) { head.hidden = hidden[index]; });
    Array.prototype.forEach.call(table.tBodies[0].rows, function (row) {
      hidden.forEach(function (hide, index) { row.cells[index].hidden = hide; });
    });
  }

  // On a phone a group of columns is its first one until more are asked for.
  var phone = window.matchMedia("(max-width: 40rem)");

  function foldable(table) {
    var groups = Array.prototype.slice.call(table.querySelectorAll("tr.tasks .group"));
    var tasks = groups.filter(function (group) { return group.querySelector("a"); });
    // The only task of a table is what its page is about.
    groups = groups.filter(function (group) { return group.colSpan > 1 && !(tasks.length === 1 && group === tasks[0]); });
    groups.forEach(function (group) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = "fold";
      button.dataset.of = group.textContent.trim();
      button.setAttribute("aria-expanded", "false");
      group.appendChild(button);
      button.addEventListener("click", function () {
        button.setAttribute("aria-expanded", button.getAttribute("aria-expanded") === "true" ? "false" : "true");
        showColumns(table);
      });
    });
    return function (small) {
      groups.forEach(function (group) {
        var button = group.querySelector(".fold");
        button.setAttribute("aria-expanded", small ? "false" : "true");
        button.hidden = !small;
      });
      if (groups.length) showColumns(table);
    };
  }

  // A box to tick for each column of scores and costs, task by task.
  function columnChooser(form, table) {
    var heads = Array.prototype.slice.call(table.querySelectorAll("tr.heads .cost, tr.heads .score"));
    if (heads.length < 4) return;
    var details = document.createElement("details"), summary = document.createElement("summary");
    details.className = "columns";
    summary.textContent = "Columns";
    details.appendChild(summary);
    var left = heads.slice();
    table.querySelectorAll("tr.tasks .group").forEach(function (group) {
      var set = document.createElement("fieldset"), legend = document.createElement("legend");
      legend.textContent = (group.querySelector("a") || group.firstChild).textContent.trim();
      set.appendChild(legend);
      left.splice(0, parseInt(group.dataset.span || group.colSpan, 10)).forEach(function (head) {
        var label = document.createElement("label"), box = document.createElement("input");
        box.type = "checkbox";
        box.checked = true;
        box.addEventListener("input", function (event) {
          event.stopPropagation();
          head.dataset.off = String(!box.checked);
          var off = heads.filter(function (one) { return one.dataset.off === "true"; }).length;
          summary.textContent = off ? "Columns (" + (heads.length - off) + " of " + heads.length + ")" : "Columns";
          showColumns(table);
        });
        label.appendChild(box);
        label.appendChild(document.createTextNode(head.firstChild.textContent.trim()));
        set.appendChild(label);
      });
      details.appendChild(set);
    });
    form.insertBefore(details, form.querySelector("output"));
  }

  // Shows the rows that fit, of a long table the first hundred of them until all are asked for.
  function filterable(form) {
    var table = document.getElementById(form.dataset.for);
    if (!table) return;
    var output = form.querySelector("output");
    var more = document.createElement("button");
    var limit = table.classList.contains("long") ? 100 : Infinity;
    more.type = "button";
    more.className = "all";
    form.appendChild(more);
    columnChooser(form, table);
    form.hidden = false;
    form.parentNode.hidden = false;
    form.parentNode.open = !phone.matches;

    function apply() {
      var fitting = 0, shown = 0;
      var wanted = {};
      form.querySelectorAll("select").forEach(function (select) { if (select.value) wanted[select.name] = select.value; });
      var words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
      Array.prototype.forEach.call(table.tBodies[0].rows, function (row) {
        var fits = Object.keys(wanted).every(function (name) {
          if (name === "scenario") return true;
          return name === "date" ? row.dataset.date >= wanted.date : row.dataset[name] === wanted[name];
        });
        var about = words.length ? text(row) : "";
        fits = fits && words.every(function (word) { return about.indexOf(word) >= 0; });
        fitting += fits ? 1 : 0;
        row.hidden = !fits || fitting > limit;
        shown += row.hidden ? 0 : 1;
      });
      table.classList.add("managed");
      if (table.querySelector("[data-scenario]")) {
        table.dataset.scenario = wanted.scenario || "";
        showColumns(table);
      }
      var total = table.tBodies[0].rows.length;
      output.textContent = shown === total ? total + " rows" : shown + " of " + total + " rows";
      more.hidden = shown === fitting;
      more.textContent = "Show all " + fitting;
    }

    more.addEventListener("click", function () { limit = Infinity; apply(); });
    form.addEventListener("input", apply);
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    table.addEventListener("sorted", apply);
    var linked = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (linked && table.contains(linked) && linked.rowIndex > limit) limit = Infinity;
    apply();
    if (linked && table.contains(linked)) linked.scrollIntoView({ block: "center" });
  }

  document.querySelectorAll("table.board").forEach(function (table) {
    sortable(table);
    var fold = foldable(table);
    if (phone.matches) fold(true);
    else table.querySelectorAll(".fold").forEach(function (button) { button.hidden = true; button.setAttribute("aria-expanded", "true"); });
    phone.addEventListener("change", function () { fold(phone.matches); });
  });
  document.querySelectorAll("form.filters").forEach(filterable);
})();
