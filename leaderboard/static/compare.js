// Any two entries of a board side by side. What is shown is what the pages of pairs show, by the same rule
// (humanbench/results/apart.py); without this file those pages and the tables below them remain.
(function () {
  "use strict";

  var place = document.getElementById("compare");
  var index = null, entries = {}, waiting = {};
  // A cell: ground, half interval, value, reach below and above, factor of its units at 95 %, 1 / seeds, and of the noise of
  // training seeds: assumed, squares, freedom, the row's ratios and freedom, trained; factor of its units as the ranks take it.
  var GROUND = 0, HALF = 1, VALUE = 2, BELOW = 3, ABOVE = 4, UNITS = 5, SEEDS = 6, ASSUMED = 7, SQUARES = 8, FREEDOM = 9,
    RATIOS = 10, ROW = 11, TRAINED = 12, RANKED = 13;

  window.humanbench = {
    index: function (found) { index = found; begin(); },
    entry: function (id, found) { entries[id] = found; if (waiting[id]) waiting[id](); }
  };

  function load(name, failed) {
    var script = document.createElement("script");
    script.src = "data/compare/" + encodeURIComponent(name) + ".js";
    script.onerror = failed;
    document.head.appendChild(script);
  }

  // The least difference by which a cell lies surely above another.
  function least(less, more, units, quantiles) {
    var u = Math.max(less[units], more[units]);
    if ([less[units], more[units], less[ABOVE], more[BELOW]].indexOf(null) >= 0) return Infinity;
    var reach = u * u * (less[ABOVE] * less[ABOVE] + more[BELOW] * more[BELOW]);
    if (less[TRAINED] || more[TRAINED]) {
      var base = index.freedom, freedom = less[FREEDOM] + more[FREEDOM];
      var factor = (base + less[RATIOS] + more[RATIOS]) / (base + less[ROW] + more[ROW]);
      var assumed = Math.max(less[ASSUMED], more[ASSUMED]);
      var variance = (base * factor * assumed * assumed + less[SQUARES] + more[SQUARES]) / (base + freedom);
      reach += quantiles[freedom] * quantiles[freedom] * variance * (less[SEEDS] + more[SEEDS]);
    }
    var found = Math.sqrt(reach);
    return isNaN(found) ? Infinity : found;
  }

  // The second minus the first, its 95 % interval, and what is said of the second.
  function difference(a, b, higher, quantiles) {
    if (!a || !b) return { side: "absent" };
    if (a[GROUND] !== b[GROUND]) return { side: "not comparable" };
    var gap = b[VALUE] - a[VALUE], up = higher ? 1 : -1, side = "open";
    if (gap > least(a, b, RANKED, quantiles[1])) side = up > 0 ? "better" : "worse";
    else if (-gap > least(b, a, RANKED, quantiles[1])) side = up > 0 ? "worse" : "better";
    return { side: side, value: gap, low: gap - least(a, b, UNITS, quantiles[0]), high: gap + least(b, a, UNITS, quantiles[0]) };
  }

  function number(value) {
    if (value === null || !isFinite(value)) return "–";
    return Math.abs(value) < 1e6 ? value.toFixed(2) : value.toPrecision(3);
  }

  function make(kind, text, kindOf) {
    var element = document.createElement(kind);
    if (text !== undefined) element.textContent = text;
    if (kindOf) element.className = kindOf;
    return element;
  }

  function link(address, text) {
    var element = make("a", text);
    element.href = address;
    return element;
  }

  function add(parent) {
    for (var i = 1; i < arguments.length; i++) parent.appendChild(arguments[i]);
    return parent;
  }

  function head(kind, content, scope) {
    var cell = make("th", undefined, kind);
    cell.scope = scope;
    cell.appendChild(content);
    return cell;
  }

  function valueCell(cell) {
    var shown = make("td", cell ? number(cell[VALUE]) : "–", "n");
    if (cell && cell[HALF] !== null) shown.appendChild(make("small", "±" + number(cell[HALF])));
    return shown;
  }

  function row(id, a, b, quantiles) {
    var about = index.datasets[id], found = difference(a, b, about.arrow === "↑", quantiles);
    var name = link("datasets/" + id + ".html", about.short);
    name.title = about.name;
    var first = head("", name, "row");
    first.appendChild(make("small", about.metric + " " + about.arrow));
    var last = make("td", undefined, "n side-" + found.side.split(" ")[0]);
    var known = found.value !== undefined && isFinite(found.value);
    last.appendChild(make("b", known ? (found.value > 0 ? "+" : "") + number(found.value) : "–"));
    if (known && isFinite(found.low) && isFinite(found.high)) last.appendChild(make("small", number(found.low) + " to " + number(found.high)));
    var said = index.sides[found.side === "open" && (found.low > 0 || found.high < 0) ? "corrected" : found.side];
    if (said) last.appendChild(make("small", said, "said"));
    return { side: found.side, row: add(make("tr"), first, valueCell(a), valueCell(b), last) };
  }

  function show(table, pair, result) {
    var both = pair.map(function (entry) { return entries[entry[0]][table.name]; });
    var body = make("tbody"), counts = {}, task = "";
    table.about.forEach(function (text, i) {
      body.appendChild(add(make("tr"), head("", document.createTextNode(text), "row"), make("td", both[0].about[i], "n"), make("td", both[1].about[i], "n"), make("td")));
    });
    table.columns.forEach(function (id) {
      var a = both[0].cells[id], b = both[1].cells[id], about = index.datasets[id];
      if (!a && !b) return;
      if (about.task !== task) {
        task = about.task;
        var group = head(about.hue, link("tasks/" + task + ".html", task), "rowgroup");
        group.colSpan = 4;
        body.appendChild(add(make("tr", undefined, "group"), group));
      }
      var made = row(id, a, b, table.quantiles);
      counts[made.side] = (counts[made.side] || 0) + 1;
      body.appendChild(made.row);
    });
    var last = head("n", document.createTextNode("Difference"), "col");
    last.appendChild(make("small", "second − first"));
    var heads = pair.map(function (entry) { return head("n", link("entries/" + entry[0] + ".html", entry[1]), "col"); });
    var line = add(make("tr"), head("", document.createTextNode("Dataset"), "col"), heads[0], heads[1], last);
    var open = counts.open || 0;
    var said = "The second is better on " + (counts.better || 0) + ", worse on " + (counts.worse || 0) + ", and not told apart from the first on " + open + (open === 1 ? " dataset." : " datasets.");
    var lead = make("p", said);
    lead.setAttribute("role", "status");
    var box = make("div", undefined, "scroll");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "Both entries by dataset");
    add(box, add(make("table", undefined, "plain pair"), add(make("thead"), line), body));
    result.replaceChildren(lead, box, also(table, pair), make("p", "Below a value: half of its 95 % interval; below a difference: its 95 % interval. Better and worse: beyond doubt, corrected over the datasets of the board. humanbench compare pairs the pictures where it has the predictions of both, and sees smaller differences.", "muted"));
  }

  // The same two backbones on other boards.
  function also(table, pair) {
    var line = make("p");
    index.tables.forEach(function (other) {
      if (other === table) return;
      var there = pair.map(function (entry) { return other.entries.find(function (one) { return one[2] === entry[2]; }); });
      if (!there[0] || !there[1] || there[0] === there[1]) return;
      line.appendChild(document.createTextNode(line.firstChild ? " · " : "The same two backbones: "));
      line.appendChild(link("compare.html?a=" + there[0][0] + "&b=" + there[1][0] + "&t=" + other.name, titleOf(other)));
    });
    return line;
  }

  function titleOf(table) {
    return [table.title].concat(table.labels).join(", ");
  }

  function choice(text, form) {
    var label = make("label", text + " "), select = make("select");
    form.appendChild(add(label, select));
    return select;
  }

  function fill(select, pairs, chosen) {
    select.replaceChildren.apply(select, pairs.map(function (pair) {
      var option = make("option", pair[1]);
      option.value = pair[0];
      return option;
    }));
    if (pairs.some(function (pair) { return pair[0] === chosen; })) select.value = chosen;
  }

  function begin() {
    var tables = index.tables.filter(function (table) { return table.entries.length > 1; });
    if (!tables.length) return;
    var form = make("form", undefined, "filters chooser"), result = make("div");
    var board = choice("Board", form), first = choice("First", form), second = choice("Second", form);
    var asked = new URLSearchParams(location.search);
    place.replaceChildren(form, result);
    form.addEventListener("submit", function (event) { event.preventDefault(); });

    function table() { return tables.find(function (one) { return one.name === board.value; }); }
    function ids() { return table().entries.map(function (entry) { return entry[0]; }); }
    function list(a, b) {
      var named = table().entries;
      fill(first, named, a);
      fill(second, named, b);
      if (first.value === second.value) second.value = ids().find(function (id) { return id !== first.value; });
      update();
    }
    function update() {
      var chosen = [first.value, second.value], now = table();
      var pair = chosen.map(function (id) { return now.entries.find(function (entry) { return entry[0] === id; }); });
      var address = "?a=" + chosen[0] + "&b=" + chosen[1] + "&t=" + now.name;
      try { history.replaceState(null, "", address); } catch (error) { /* some browsers keep addresses of files as they are */ }
      function shown() {
        if (chosen[0] === first.value && chosen[1] === second.value && chosen.every(function (id) { return entries[id]; })) show(now, pair, result);
      }
      chosen.forEach(function (id) {
        if (entries[id]) return;
        waiting[id] = shown;
        load(id, function () { result.textContent = "The numbers of " + id + " are not there."; });
      });
      shown();
    }

    fill(board, tables.map(function (one) { return [one.name, titleOf(one)]; }), asked.get("t") || (tables.find(function (one) {
      var there = one.entries.map(function (entry) { return entry[0]; });
      return ["a", "b"].every(function (name) { return !asked.get(name) || there.indexOf(asked.get(name)) >= 0; });
    }) || tables[0]).name);
    board.addEventListener("input", function () { list(first.value, second.value); });
    [first, second].forEach(function (select) { select.addEventListener("input", update); });
    list(asked.get("a"), asked.get("b"));
  }

  load("index");
})();
