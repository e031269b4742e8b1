"""What runs have finetuned: which weights there are, and a finetuned network ready to predict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from humanbench.cards import DatasetCard, load_card
from humanbench.documents import from_json
from humanbench.errors import HumanbenchError
from humanbench.overrides import PathLike
from humanbench.recipes import Recipe
from humanbench.results import FOLDER, Result, latest, read_result, result_files
from humanbench.schema import problem
from humanbench.tasks.registry import task_for
from humanbench.text import nearest

if TYPE_CHECKING:
    from torch import Tensor

    from humanbench.backbones.backbone import Backbone
    from humanbench.engine.context import CellSpec
    from humanbench.engine.finetune import Finetune
    from humanbench.tasks.base import Tables
    from humanbench.tasks.training import FolderPicture


SUFFIX = ".safetensors"


@dataclass(frozen=True)
class FinetunedWeights:
    """The weights of a finished cell of a run: what it is called, its result, and the file, if it was kept."""

    name: str
    result: Result
    file: Path | None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.file.stat().st_size if self.file is not None else 0


def finetuned_weights(run: PathLike) -> list[FinetunedWeights]:
    """The finished cells of a run folder, in the order in which they were finished; of one content the newest.

    Raises `HumanbenchError` where the folder holds no results.
    """
    folder = Path(run).expanduser()
    files = result_files(folder) if folder.is_dir() else []
    if not files:
        raise HumanbenchError(f"{run}: no results here (a run folder of `humanbench eval` holds {FOLDER}/*.json)")
    done = [r for r in latest(read_result(file) for file in files).values() if r.predictions is not None]
    listed = []
    for result in done:
        suffix = task_for(load_card(result.dataset)).predictions.suffix
        name = Path(result.predictions or "").name.removesuffix(suffix)
        file = folder / "weights" / f"{name}{SUFFIX}"
        listed.append(FinetunedWeights(name, result, file if file.is_file() else None))
    return listed


def chosen_weights(run: PathLike, cell: str) -> FinetunedWeights:
    """The weights of a dataset, or of a cell by its name or the beginning of one.

    Raises `HumanbenchError` where there is no such cell, there are several, or its weights were not kept.
    """
    listed = finetuned_weights(run)
    exact = [one for one in listed if one.name == cell]
    candidates = exact or [one for one in listed if one.result.dataset == cell]
    candidates = candidates or [one for one in listed if one.name.startswith(f"{cell}-")]
    with_weights = [one for one in candidates if one.file is not None]
    if not candidates:
        names = list(dict.fromkeys(name for one in listed for name in (one.result.dataset, one.name)))
        raise HumanbenchError(
            f"{run}: no finished cell of {cell}{nearest(cell, names)} (`humanbench weights {run}` lists them)"
        )
    if len(with_weights) > 1:
        raise HumanbenchError(
            f"{run}: {len(with_weights)} cells are of {cell}: {', '.join(one.name for one in with_weights)}; name one"
        )
    if not with_weights:
        why = "nothing was finetuned" if candidates[0].result.epochs == 0 else "its weights are not in the run folder"
        raise HumanbenchError(f"{run}: {candidates[0].name}: {why}, so there is nothing to load")
    return with_weights[0]


@dataclass(frozen=True)
class FinetunedModel:
    """A finetuned backbone with its head, in evaluation mode, on the CPU (see `load_finetuned`).

    `card`, `recipe`, `result`: the dataset it was finetuned on, how, and what came of it. `network`: a module that
    takes the task's batches. `sha256`: of the file with the finetuned weights.
    """

    name: str
    card: DatasetCard
    recipe: Recipe
    result: Result
    network: Finetune
    sha256: str

    def predict(
        self,
        pictures: PathLike | Sequence[PathLike],
        boxes: PathLike | None = None,
        device: str | None = None,
        workers: int | None = None,
    ) -> PicturePredictions:
        """Predictions for a folder of pictures, or a list of picture files; nothing is written.

        `boxes`: for pose, a JSON list of {image_id, bbox [x, y, w, h], score} that says where people are; without it
        each picture is one person. `device`: cpu, cuda or cuda:N; None is a GPU if there is one. `workers`: processes
        that read pictures. Raises `HumanbenchError` for pictures and boxes that cannot be read.
        """
        from humanbench.evaluation.pictures import decoded_of, folder_pictures
        from humanbench.tasks.training import training_of

        listed = folder_pictures(self.card, pictures, boxes)
        tables = training_of(self.card).picture_tables(self.card, listed)
        decoded = decoded_of(self.card, self.recipe, self.network, tables, device, workers)
        return PicturePredictions(self, listed, tables, decoded)

    def save_backbone(self, path: PathLike) -> None:
        """Write the finetuned backbone, without the head, as safetensors that `--checkpoint` and `load_backbone` take.

        What a regime has added (`lora`) is merged into the weights: the file has the names of the plain network. Its
        header says what builds the network and what the weights have seen, the finetuning's datasets among it.
        Written whole or not at all. Raises `HumanbenchError` for a file that is there, and another suffix than
        `.safetensors`.
        """
        import copy

        from humanbench.backbones.config_files import header_of
        from humanbench.backbones.weights import safetensors_bytes
        from humanbench.files import write_bytes
        from humanbench.regimes.lora import merge

        target = Path(path)
        if target.exists():
            raise HumanbenchError(f"{target}: is there already; give another name, or take it away")
        if target.suffix != SUFFIX:
            raise HumanbenchError(f"{target}: the file of a backbone must end in {SUFFIX}")
        backbone = self.network.backbone
        trunk = copy.deepcopy(backbone.trunk)
        merge(trunk)
        seen = backbone.pretrained_on
        if seen is not None:
            seen = tuple(dict.fromkeys([*seen, *(self.recipe.train.on or [self.card.id])]))
        header = header_of(backbone.architecture, vars(backbone.preprocessing), seen) if backbone.architecture else {}
        tensors = {name: t.detach().contiguous() for name, t in trunk.state_dict().items()}
        write_bytes(target, safetensors_bytes(tensors, header))


@dataclass(frozen=True)
class PicturePredictions:
    """What a finetuned network predicts for pictures: `decoded`, a prediction per sample of `tables`."""

    model: FinetunedModel
    pictures: Sequence[FolderPicture]
    tables: Tables
    decoded: Sequence[Any]

    @property
    def value(self) -> Any:
        """As the task's predictions are: arrays of probabilities, counts, poses, boxes, features, or part maps."""
        from humanbench.tasks.training import training_of

        return training_of(self.model.card).predictions(self.model.card, self.tables, self.decoded)

    def write(self, path: PathLike) -> None:
        """Write the predictions file (for parsing, folder), whole or not at all."""
        task_for(self.model.card).predictions.write(self.model.card, self.tables, self.value, Path(path))


def load_finetuned(
    run: PathLike, dataset: str, checkpoint: PathLike | None = None, backbone: Backbone | None = None
) -> FinetunedModel:
    """A network that a run has finetuned, ready to predict.

    Args:
        run: The run folder.
        dataset: The id of a dataset, or the name of a cell where the run has several of it.
        checkpoint: Where the backbone's own weights lie here, if not where the run says.
        backbone: The backbone itself, for a run that was given one that is loaded.

    The run folder holds what was trained; what was frozen comes from the backbone's own weights, which are held against
    their recorded hash. Weights are read as safetensors, without pickle. Raises `HumanbenchError` for a run without
    these weights, and for a backbone that is another one now.
    """
    from safetensors.torch import load

    from humanbench.engine.context import CellSpec
    from humanbench.engine.finetune import load_trainable_state
    from humanbench.hashing import file_sha256

    chosen = chosen_weights(run, dataset)
    assert chosen.file is not None
    result, card = chosen.result, load_card(chosen.result.dataset)
    recipe = _recipe(Path(run).expanduser() / "recipes" / f"{chosen.name}.json", result)
    base = _backbone(Path(run).expanduser(), result, checkpoint) if backbone is None else backbone
    _check_backbone(base, result, run)
    try:
        tensors = load(chosen.file.read_bytes())
    except Exception as error:  # whatever a damaged file makes safetensors say
        raise HumanbenchError(f"{chosen.file}: not readable as safetensors ({' '.join(str(error).split())})") from error
    network = _fitting(base, CellSpec(card, recipe, result.seed), tensors, chosen.file)
    load_trainable_state(network, tensors)
    return FinetunedModel(chosen.name, card, recipe, result, network.eval(), file_sha256(chosen.file))


def _recipe(path: Path, result: Result) -> Recipe:
    try:
        recipe = Recipe.model_validate(from_json(path.read_bytes()))
    except FileNotFoundError as error:
        raise HumanbenchError(f"{path}: the recipe of the cell is not there") from error
    except (ValueError, ValidationError) as error:
        reason = problem(error) if isinstance(error, ValidationError) else str(error)
        raise HumanbenchError(f"{path}: not a recipe: {reason}") from error
    if recipe.sha256 != result.cell.recipe_sha256:
        raise HumanbenchError(f"{path}: is not the recipe that the cell was made by (their hashes differ)")
    return recipe


def _backbone(run: Path, result: Result, checkpoint: PathLike | None) -> Backbone:
    from humanbench.backbones.record import from_record

    path = run / "backbone.json"
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise HumanbenchError(f"{path}: is not there, and nothing else says which backbone it was") from error
    except ValueError as error:
        raise HumanbenchError(f"{path}: not JSON ({error})") from error
    if record.get("weights_sha256") != result.cell.weights_sha256:
        raise HumanbenchError(f"{path}: is of another backbone than {result.backbone}, which the cell was made with")
    if checkpoint is not None and (record.get("network") or {}).get("load") is None:
        raise HumanbenchError(
            f"{checkpoint}: {result.backbone} had random weights, so there is no file of them to name"
        )
    return from_record(record, checkpoint)


def _check_backbone(backbone: Backbone, result: Result, run: PathLike) -> None:
    from humanbench.engine.prepared import architecture_sha256

    if backbone.weights_sha256 != result.cell.weights_sha256:
        raise HumanbenchError(
            f"{run}: the weights of {backbone.name} are not those that were finetuned (their SHA-256 differ); "
            "--checkpoint FILE says where these lie"
        )
    if architecture_sha256(backbone) != result.cell.architecture:
        raise HumanbenchError(
            f"{run}: {backbone.name} is built or fed otherwise here than when it was finetuned (architecture, mean, "
            "std), so the weights would mean something else"
        )


def _fitting(base: Backbone, spec: CellSpec, tensors: dict[str, Tensor], file: Path) -> Finetune:
    """The network whose head has the shapes of the weights: for as many people as it was trained to tell apart."""
    from humanbench.engine.prepared import blank_table, network_of

    network = network_of(base, spec, {"train": blank_table(spec.card, "train", 2, 2)})
    others = set(_other_sizes(network, tensors))
    if len(others) == 1:
        (people,) = others
        network = network_of(base, spec, {"train": blank_table(spec.card, "train", people, people)})
    if rest := list(_other_sizes(network, tensors)):
        raise HumanbenchError(f"{file}: {len(rest)} of its tensors are of another size than the network's")
    return network


def _other_sizes(network: Finetune, tensors: dict[str, Tensor]) -> Iterator[int]:
    """First sides of the tensors that are of another shape than the network's."""
    state = network.state_dict()
    return (
        int(tensor.shape[0]) if tensor.ndim else 0
        for name, tensor in tensors.items()
        if name in state and state[name].shape != tensor.shape
    )
