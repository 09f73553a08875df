"""Names that moved: the old import goes on working, and where people import it, it warns once with the new name."""

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {  # modules that people import, and what they are called now
    "backlit.io": "backlit.formats",
    "backlit.io.atomic": "backlit.files",
    "backlit.io.exchange": "backlit.formats",
    "backlit.io.tables": "backlit.tables",
    "backlit.training.gradient_flow": "backlit.diagnosis.gradient_flow",
    "backlit.verbs": "backlit.api",
}
MOVED_IN_PICKLES = {  # a module: those that were merged into it, which pickles name and nobody imports
    "autodiff.composites": "autodiff.shapes",
    "bounded_reading": "tables.memory_check",
    "core.activations": "core.activations._loaded core.activations._pieces",
    "core.activations.smooth": "core.activations.tanh core.activations.gated core.activations.gelu",
    "core.activations.softmax": "core.groups",
    "core.losses": "core.losses._loaded core.losses._pieces core.losses._record core.losses._short_forms "
    "core.losses.errors core.losses.likelihoods",
    "core.passes": "core.per_example",
    "costs.machine": "costs.peak_memory",
    "costs.memory": "costs.byte_units costs.rematerialization",
    "diagnosis.diagnose": "diagnosis.result",
    "diagnosis.theory.predicted": "diagnosis.theory.layer_kinds",
    "distributed.crew": "distributed.start",
    "drawing": "render.diagram",
    "engine.base": "engine.partial engine.protocol",
    "engine.native_support": "engine.native_structs engine.threads",
    "engine.rematerialize": "engine.segments",
    "engine.selection": "engine.kept engine.sparse",
    "estimators.early_stopping": "estimators.stopping estimators.validation_split",
    "estimators.network": "estimators.fitted_attributes",
    "estimators.parameters": "estimators.parameter_docs",
    "estimators.record": "estimators.json",
    "estimators.train": "estimators.warm_start",
    "gradcheck.check": "verification.directions",
    "gradcheck.differences": "gradcheck.kinks",
    "jobs.cluster_ends": "jobs.cluster_client jobs.cluster_worker",
    "jobs.executors": "jobs.processes",
    "jobs.parcels": "jobs.shared",
    "jobs.sameness": "engine.digest",
    "optim.optimizers.adam": "optim.optimizers.adamw",
    "optim.optimizers.base": "optim.clipping",
    "optim.optimizers.rmsprop": "optim.optimizers.adagrad",
    "optim.schedules.decay": "optim.schedules.cosine optim.schedules.one_cycle optim.schedules.warm_up",
    "registry": "core.built_in core.registry core.specs optim.checks optim.described optim.registry",
    "tables.accumulators": "tables.exact_moments",
    "tables.columns.kinds": "tables.columns.base tables.columns.weighted",
    "tables.columns.scaled": "tables.columns.piecewise",
    "tables.fitting": "tables.column_types tables.richer",
    "tables.parquet": "tables.remote tables.sources tables.workbooks",
    "tables.target": "tables.labels",
    "tabular.assessment": "tabular.overview",
    "tabular.blend": "tabular.cv_plus tabular.outputs",
    "tabular.evaluation": "tabular.curves tabular.importance",
    "tabular.prediction": "tabular.decision",
    "tabular.remarks": "tabular.unlike",
    "tabular.table_rows": "tabular.folds tabular.hold_out",
    "training.run": "training.early_stopping training.history training.patience training.settings",
    "training.sharding": "training.sharded_engine",
    "training.trainer": "training.epoch",
    "verification.catalogue.blocks": "verification.catalogue.steps",
    "verification.catalogue.conventions": "verification.catalogue.forwards",
    "verification.comparison": "verification.rounding",
    "verification.function_check": "verification.torch_check",
    "verification.grading.child": "verification.grading.confinement",
    "verification.grading.grade": "verification.grading.table",
    "verification.grading.sandbox": "verification.grading.clock",
    "verification.hypotheses": "verification.significance",
    "verification.identify": "verification.bug_pairs verification.scale_fits",
    "verification.mutations": "verification.catalogue.base",
    "verification.network_check": "verification.views",
    "verification.problem_check": "verification.result verification.testing",
    "verification.quantities": "verification.claims",
    "verification.replay": "verification.mutated_steps",
    "verification.telling_numbers": "verification.probing_inputs",
}


class OldNames(MetaPathFinder, Loader):
    """Finds the modules of old names by one table, and loads those of the new names in their place."""

    def __init__(self) -> None:
        self.table: dict[str, tuple[str, bool]] = {}  # old name: (new name, whether it warns)
        self.specs: dict[str, ModuleSpec | None] = {}  # of the new modules, which the import system writes over

    def new_name(self, old: str) -> str | None:
        """What a module is called now, by its own entry or the nearest package's; None if there is none."""
        package, _, rest = old, "", ""
        while package not in self.table:
            package, _, below = package.rpartition(".")
            rest = f".{below}{rest}"
            if not package:
                return None
        return self.table[package][0] + rest

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The old name's spec; None for every other name."""
        if self.new_name(fullname) is None:
            return None
        new, warns = self.table.get(fullname, ("", False))
        if warns:  # once: later imports find it in sys.modules
            warnings.warn(
                f"{fullname} is now {new}: import it from there; the next minor version drops the old name",
                DeprecationWarning,
                stacklevel=2,  # frames of the import system are not counted
            )
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The new module itself."""
        module = import_module(str(self.new_name(spec.name)))
        self.specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is, with the spec by which it was made; it has run under its new name."""
        assert module.__spec__ is not None  # the import system has just set it
        module.__spec__ = self.specs[module.__spec__.name]


OLD_NAMES = OldNames()


def deprecated_module(old: str, new: str, *, warns: bool = True) -> None:
    """Let `import old` give the module `new`, with a DeprecationWarning on its first import; submodules too.

    The old name is the very module, not a copy of it: its classes are the same classes, so that pickles which name the
    old module are read.  Nothing is imported, and nobody is warned, before the old name is asked for.

    Parameters
    ----------
    old, new : str
        Full names of the modules, such as "backlit.io" and "backlit.formats".
    warns : bool, default True
        Whether people import the old name; one that only pickles hold is read without a word.

    Examples
    --------
    >>> import warnings
    >>> deprecated_module("backlit.blunders", "backlit.errors")
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     from backlit.blunders import ShapeError
    >>> str(caught[0].message)
    'backlit.blunders is now backlit.errors: import it from there; the next minor version drops the old name'
    """
    OLD_NAMES.table[old] = new, warns
    if OLD_NAMES not in sys.meta_path:
        sys.meta_path.insert(0, OLD_NAMES)


for old, new in MOVED.items():
    deprecated_module(old, new)
for new, former in MOVED_IN_PICKLES.items():
    for old in former.split():
        deprecated_module(f"backlit.{old}", f"backlit.{new}", warns=False)
