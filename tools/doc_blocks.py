"""Writes what the pages under docs/ take from code, cards and recipes: `python -m tools.doc_blocks`.

A block is what stands between `<!-- NAME ARGUMENTS -->` and `<!-- /NAME -->`, on lines of their own. A test holds the
pages against what this writes, so they are what the software is.
"""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

import humanbench
from humanbench.backbones.cards import backbone_cards
from humanbench.benchmark import benchmark
from humanbench.cards import DatasetCard, ReadFrom, cards, collection, load_card, scenario
from humanbench.cli import main as command_line
from humanbench.data.mannequin.attribute_rules import attribute_names
from humanbench.data.mannequin.keypoint_rules import keypoint_names
from humanbench.data.mannequin.part_rules import body_classes, garment_classes
from humanbench.data.mannequin.suite import VERSION
from humanbench.data.samples import copy_name
from humanbench.metrics.directions import direction
from humanbench.optim.optimisers import OPTIMISERS
from humanbench.optim.schedules import SCHEDULES
from humanbench.paths import shipped
from humanbench.recipes import Recipe, load_recipe, variants
from humanbench.regimes import REGIMES
from humanbench.results import load_results
from humanbench.results.cells import CellNumber
from humanbench.schema import Record
from humanbench.tasks.registry import task_names

DOCS = Path(__file__).resolve().parents[1] / "docs"
WIDTH = 100
"""Columns of a help text."""
_BLOCK = re.compile(r"^<!-- (?P<name>[a-z_]+)(?P<about>(?: [\w-]+)*) -->\n.*?^<!-- /(?P=name) -->$", re.M | re.S)


def filled(text: str) -> str:
    """A page with its blocks as they should be; blocks of other writers stay."""

    def block(found: re.Match[str]) -> str:
        name, about = found["name"], found["about"]
        if name not in WRITERS:
            return found[0]
        return f"<!-- {name}{about} -->\n{WRITERS[name](*about.split())}\n<!-- /{name} -->"

    return _BLOCK.sub(block, text)


def pages() -> list[Path]:
    """All pages."""
    return sorted(DOCS.rglob("*.md"))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def help_text(*words: str) -> str:
    """What `--help` says of a verb, and of everything under it."""
    command: click.Command = command_line
    context = _context(command, "humanbench", None)
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        assert found is not None, f"there is no verb {' '.join(words)}"
        command = found
        context = _context(command, word, context)
    texts = [f"    $ humanbench {' '.join(words)} --help\n{_indented(command.get_help(context))}"]
    if isinstance(command, click.Group):
        texts += [help_text(*words, name) for name in command.list_commands(context)]
    return "\n\n".join(texts)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    """A command's own settings count, as when it is called; only the width is the pages'."""
    settings = command.context_settings | {"terminal_width": WIDTH, "max_content_width": WIDTH}
    return click.Context(command, info_name=name, parent=parent, **settings)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.strip().splitlines())


def members(task: str) -> list[DatasetCard]:
    """The evaluated datasets of a task in the paper's order; of `all`, of every task."""
    cards = [load_card(name) for name in benchmark()["datasets"]]
    return [card for card in cards if task in ("all", card.task)]


def datasets(task: str) -> str:
    """A row per evaluated dataset of a task."""
    seen = [card.id for card in collection("full")]
    rows = []
    for card in members(task):
        evaluation = card.evaluation
        assert evaluation is not None
        samples = [card.splits[name].samples for name in evaluation.test]
        count = " + ".join(f"{n:,}" if n is not None else "?" for n in samples)
        metric = f"{evaluation.main} {direction(evaluation.main).arrow}"
        tested = f"{' + '.join(evaluation.test)} ({count})"
        trained = " + ".join(evaluation.train) or "nothing of its own"
        beside = ", ".join(evaluation.report[1:]) or "nothing"
        rows.append([f"{card.name} (`{card.id}`)", trained, tested, metric, beside, scenario(card, seen)])
    heads = ["dataset", "trained on", "tested on (samples)", "main metric", "beside it", "scenario of PATH"]
    return table(heads, rows)


def definitions(task: str) -> str:
    """How the datasets are scored, as their cards say."""
    found: dict[str, list[str]] = {}
    for card in members(task):
        assert card.evaluation is not None
        found.setdefault(" ".join(card.evaluation.definition.split()), []).append(card.short or card.name)
    return "\n".join(f"- **{', '.join(names)}**: {text}" for text, names in found.items())


def _regimes(card: DatasetCard) -> list[str]:
    """Regimes that train something on the dataset."""
    return [regime.name for regime in REGIMES if regime.fits]


def recipes(task: str, *wanted: str) -> str:
    """How fast and how long what is trained, a row for datasets and regimes that have it in common."""
    found: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for card in members(task):
        for regime in _regimes(card):
            if not wanted or regime in wanted:
                row = tuple(_recipe(load_recipe(card, regime)))
                found.setdefault(row, {}).setdefault(regime, []).append(f"`{card.id}`")
    rows = [[", ".join(names), regime, *row] for row, by_regime in found.items() for regime, names in by_regime.items()]
    if not wanted:
        rows.sort(key=lambda row: REGIMES.place(row[1]))
    heads = [
        "dataset", "regime", "source", "optimiser, peak rate", "backbone’s rate", "layer decay", "weight decay", "clip",
        "schedule", "length", "batch", "drop path",
    ]  # fmt: skip
    return table(heads, rows)


def _recipe(recipe: Recipe) -> list[str]:
    optim, schedule, train = recipe.optim, recipe.schedule, recipe.train
    decay = f"{optim.weight_decay:g}"
    decay += f", head {optim.head_weight_decay:g}" if optim.head_weight_decay is not None else ""
    shape = SCHEDULES[schedule.name].text(schedule.options)
    length = (
        _several(train.iterations, "step") if train.iterations is not None else _several(train.epochs or 0, "epoch")
    )
    batch = f"{train.batch_size}" + (f" × {train.accumulate}" if train.accumulate > 1 else "")
    frozen = not REGIMES[recipe.regime].trains_backbone
    return [
        recipe.source,
        f"{optim.name} {optim.lr:g}",
        "–" if frozen else f"× {optim.backbone_scale:g}",
        "–" if frozen else f"{optim.layer_decay:g}",
        decay,
        "–" if optim.clip is None else f"{optim.clip:g} ({optim.clip_of})",
        f"{shape}, {schedule.warmup:,} warm-up",
        length,
        batch,
        "–" if frozen else f"{train.drop_path:g}",
    ]


def _several(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


_SECTIONS = ("input", "augment", "head", "loss", "test")


def settings(task: str) -> str:
    """Input, augmentation, head, loss and test of a task's recipes, with the datasets that differ."""
    found: dict[str, dict[str, list[str]]] = {}
    for card in members(task):
        content = load_recipe(card, "full").model_dump(mode="json", include=set(_SECTIONS))
        for section in _SECTIONS:
            for key, value in content[section].items():
                found.setdefault(f"{section}.{key}", {}).setdefault(_value(value), []).append(card.id)
    rows = []
    for key, values in found.items():
        usual, *others = sorted(values, key=lambda v: -len(values[v]))
        rows.append([f"`{key}`", usual, "; ".join(f"{v}: {', '.join(values[v])}" for v in others)])
    return table(["setting", "value", "except"], rows)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value}"


def expected(task: str) -> str:
    """What the shipped baselines came to on today's embedded suite with the mini recipes; the mean over their seeds."""
    baselines = {path.name: load_results(path) for path in sorted((shipped("baselines") / "results").iterdir())}
    todays = {copy_name(VERSION)}
    regimes = {name: results[0].regime for name, results in baselines.items()}
    runs = [name for name, results in baselines.items() if {result.copy_of_data for result in results} == todays]
    runs.sort(key=lambda name: [regime.name for regime in REGIMES].index(regimes[name]), reverse=True)
    numbers = {(run, cell[0].dataset): number for run in runs for cell, number in baselines[run].cells()}
    rows = []
    for card in members(task):
        assert card.evaluation is not None
        metric = f"{card.evaluation.main} {direction(card.evaluation.main).arrow}"
        came_to = [_came_to(numbers.get((run, card.id))) for run in runs]
        rows.append([f"`{card.id}`", metric, *came_to])
    return table(["dataset", "metric", *(f"`{run}`" for run in runs)], rows)


def _came_to(number: CellNumber | None) -> str:
    return "–" if number is None else f"{number.value:.1f} ({number.low:.1f} – {number.high:.1f})"


def notes(task: str) -> str:
    """The notes of a task's recipes: what deviates from the release, and what is ours."""
    found: dict[str, dict[str, list[str]]] = {}
    for card in members(task):
        for regime in _regimes(card):
            for note in load_recipe(card, regime).notes:
                found.setdefault(note, {}).setdefault(card.id, []).append(regime)
    everything = {card.id: _regimes(card) for card in members(task)}
    return "\n".join(f"- {note}{_whose(where, everything)}" for note, where in found.items())


def _whose(where: dict[str, list[str]], everything: dict[str, list[str]]) -> str:
    """Datasets and regimes in brackets, as far as it is not all of them."""
    by_regimes: dict[str, list[str]] = {}
    for name, regimes in where.items():
        by_regimes.setdefault("" if regimes == everything[name] else f": {', '.join(regimes)}", []).append(name)
    if list(where) == list(everything) and list(by_regimes) == [""]:
        return ""
    return f" ({'; '.join(', '.join(names) + regimes for regimes, names in by_regimes.items())})"


def variant(name: str) -> str:
    """What a named variant is for and changes."""
    content = {task: _variant_table(task, name) for task in task_names() if name in variants(task)}
    links = ", ".join(f"[{task}](../tasks/{task}.md)" for task in content)
    datasets = [only for task in content for only in variants(task)[name]]
    lines = [f"- for: {links}{': ' + ', '.join(datasets) if datasets else ''}"]
    changes = {
        f"`{section}.{key} = {_value(value)}`": None
        for table_ in content.values()
        for section, values in table_.items()
        if isinstance(values, dict) and section != "regime"
        for key, value in values.items()
    }
    lines += [f"- changes: {', '.join(changes)}"] if changes else []
    lines += dict.fromkeys(f"- {note}" for table_ in content.values() for note in table_.get("notes", ()))
    return "\n".join(lines)


def _variant_table(task: str, name: str) -> dict[str, Any]:
    text = (shipped("protocols") / f"{task}.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text)["variant"][name]
    return found


def backbones() -> str:
    """A row per backbone card."""
    rows = []
    for card in backbone_cards().values():
        network = card.architecture.timm or card.architecture.builder
        known = [card.pretrained_on] if isinstance(card.pretrained_on, str) else list(card.pretrained_on)
        whole = [{"full": "the paper’s 37", "subset": "the paper’s 15"}[card.collection]] if card.collection else []
        seen = " + ".join([", ".join(known), *whole] if known else whole)
        rows.append([f"`{card.id}`", card.name, f"`{network}`", seen or "nothing", card.licence])
    return table(["card", "name", "network", "pretrained on", "licence of the weights"], rows)


def verbs() -> str:
    """All verbs with what they do."""
    from humanbench.cli import _VERBS

    return table(["verb", ""], [[f"[{name}]({name}.md)", text] for name, (_, text) in _VERBS.items()])


def regimes() -> str:
    """A row per regime."""
    rows = [[f"[{regime.name}](protocols/{regime.name}.md)", regime.title, regime.about] for regime in REGIMES]
    return table(["protocol", "on boards", "trains"], rows)


def optimisers() -> str:
    """A row per optimiser."""
    return table(
        ["`optim.name`", "", "its own keys"], [[f"`{o.name}`", o.about, _options(o.options)] for o in OPTIMISERS]
    )


def schedules() -> str:
    """A row per shape of the learning rate."""
    return table(
        ["`schedule.name`", "", "its own keys"], [[f"`{s.name}`", s.about, _options(s.options)] for s in SCHEDULES]
    )


def _options(model: type[Record]) -> str:
    """The keys of a record with their defaults."""
    return ", ".join(f"`{name} = {_value_of(field.default)}`" for name, field in model.model_fields.items()) or "–"


def _value_of(default: Any) -> str:
    return f"[{', '.join(map(str, default))}]" if isinstance(default, tuple) else f"{default}"


def procedural(vocabulary: str) -> str:
    """The names that procedural people know in a kind of vocabulary."""
    names = {
        "attributes": attribute_names,
        "keypoints": keypoint_names,
        "garments": lambda: sorted(garment_classes()),
        "body": lambda: sorted(body_classes()),
    }[vocabulary]()
    return ", ".join(f"`{name}`" for name in names)


def read_from() -> str:
    """Which datasets' readers were tried on real files, by task."""
    kinds: dict[str, ReadFrom] = {"real files": "real files", "the documented form alone": "documented form"}
    rows = [
        [task]
        + [
            ", ".join(f"`{c.id}`" for c in cards().values() if (c.task, c.reader.read_from) == (task, kind)) or "none"
            for kind in kinds.values()
        ]
        for task in task_names()
    ]
    return table(["task", *kinds], rows)


def function(name: str) -> str:
    """A public function: what it does, what it takes, what it says of failure."""
    called = getattr(humanbench, name)
    text = inspect.getdoc(called) or ""
    summary, _, rest = text.partition("\n\nArgs:\n")
    lines, _, after = rest.partition("\n\n")
    meanings = _meanings(lines)
    heads = ["argument", "type", "default"] + (["meaning"] if meanings else [])
    rows = []
    for parameter in inspect.signature(called).parameters.values():
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        given = "" if parameter.default is parameter.empty else f"`{parameter.default!r}`"
        row = [f"`{stars}{parameter.name}`", f"`{_type(parameter.annotation)}`", given]
        rows.append([*row, meanings[parameter.name]] if meanings else row)
    return "\n\n".join(part for part in (summary, table(heads, rows), after) if part)


def _meanings(lines: str) -> dict[str, str]:
    """What a docstring's `Args` say of each argument."""
    joined = re.sub(r"\n {8,}", " ", lines)
    pairs = (line.strip().partition(": ") for line in joined.splitlines())
    return {name: meaning for name, _, meaning in pairs if name}


def _type(annotation: Any) -> str:
    """A type as people write it."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    paths = text.replace("str | os.PathLike[str]", "path").replace("PathLike", "path")
    return paths.replace("Overrides", "dict or list of KEY=VALUE")


WRITERS: dict[str, Callable[..., str]] = {
    "procedural": procedural,
    "function": function,
    "regimes": regimes,
    "optimisers": optimisers,
    "schedules": schedules,
    "help": help_text,
    "datasets": datasets,
    "definitions": definitions,
    "recipes": recipes,
    "settings": settings,
    "expected": expected,
    "notes": notes,
    "variant": variant,
    "backbones": backbones,
    "verbs": verbs,
    "read_from": read_from,
}


def main() -> None:
    """Write all blocks of all pages."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (now := filled(text)) != text:
            page.write_text(now, encoding="utf-8")
            click.echo(page)


if __name__ == "__main__":
    main()
