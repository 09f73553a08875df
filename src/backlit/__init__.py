"""Backlit: feed-forward networks whose backward pass is the textbook's, in plain sight.

Names are loaded when they are first used, so that importing the package is quick.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from backlit import deprecation as deprecation  # from here on old names are known
from backlit._version import __version__
from backlit.display import Writer, register

if TYPE_CHECKING:
    from backlit.api import check, diagnose
    from backlit.core import Dense, Gradients, Network, Parameters, Trace, backward, forward
    from backlit.core.problem import Problem
    from backlit.costs import cost
    from backlit.diagnosis.gradient_flow import GradientFlow
    from backlit.estimators import MLPClassifier, MLPRegressor
    from backlit.formats.keras_models import from_keras
    from backlit.formats.models import Model, load_model, save_model
    from backlit.formats.onnx_graphs import from_onnx
    from backlit.formats.problems import read_problem
    from backlit.formats.scikit_learn import from_scikit_learn
    from backlit.formats.sources import problem_from
    from backlit.formats.state_dicts import from_safetensors
    from backlit.formats.torch_modules import from_torch
    from backlit.render.explanation import explain
    from backlit.render.explorer import explore
    from backlit.render.gradient_flow_display import GradientFlowDisplay
    from backlit.tabular import predict, train
    from backlit.tabular.estimators import TabularClassifier, TabularRegressor
    from backlit.tabular.search import search
    from backlit.verification import (
        assert_gradients_match,
        check_function,
        check_network,
        check_torch,
        grade,
        suggest_inputs,
    )

HOMES = {
    "backlit.core": ("Dense", "Gradients", "Network", "Parameters", "Trace", "backward", "forward"),
    "backlit.core.problem": ("Problem",),
    "backlit.costs": ("cost",),
    "backlit.estimators": ("MLPClassifier", "MLPRegressor"),
    "backlit.formats.models": ("Model", "load_model", "save_model"),
    "backlit.formats.keras_models": ("from_keras",),
    "backlit.formats.onnx_graphs": ("from_onnx",),
    "backlit.formats.problems": ("read_problem",),
    "backlit.formats.scikit_learn": ("from_scikit_learn",),
    "backlit.formats.sources": ("problem_from",),
    "backlit.formats.state_dicts": ("from_safetensors",),
    "backlit.formats.torch_modules": ("from_torch",),
    "backlit.render.explanation": ("explain",),
    "backlit.render.explorer": ("explore",),
    "backlit.tabular": ("predict", "search", "train"),
    "backlit.tabular.estimators": ("TabularClassifier", "TabularRegressor"),  # which import scikit-learn
    "backlit.render.gradient_flow_display": ("GradientFlowDisplay",),
    "backlit.diagnosis.gradient_flow": ("GradientFlow",),
    "backlit.api": ("check", "diagnose"),
    "backlit.verification": (
        "assert_gradients_match",
        "check_function",
        "check_network",
        "check_torch",
        "grade",
        "suggest_inputs",
    ),
}
HOME = {name: home for home, names in HOMES.items() for name in names}
DISPLAYS = {  # class → format → who writes it, a function of a floor that the class does not know
    "CheckResult": {
        "html": "render.check.to_html",
        "markdown": "render.check.to_markdown",
        "text": "render.check.plain_text",
    },
    "FunctionCheck": {"html": "render.check.to_html", "markdown": "render.check.to_markdown"},
    "NetworkCheck": {
        "html": "render.check.to_html",
        "markdown": "render.check.to_markdown",
        "text": "render.check.network_text",
    },
    "Cost": {"html": "render.cost.cost_fragment", "text": "render.cost.cost_text"},
    "TrainResult": {"html": "render.report.report_frame", "text": "render.report.result_text"},
    "BaseMLP": {"text": "render.faces.text"},  # their HTML is scikit-learn's
    "BaseTabular": {"text": "render.faces.text"},
    "Diagnosis": {"html": "render.diagnosis.diagnosis_frame", "text": "render.diagnosis.diagnosis_text"},
    **{
        name: {"html": "render.faces.html", "text": "render.faces.text"}
        for name in (
            "Ensemble",
            "GradientFlow",
            "Gradients",
            "History",
            "Model",
            "Network",
            "Outcome",
            "Parameters",
            "Predictions",
            "Problem",
            "SearchResult",
            "StreamedPredictions",
            "Trace",
        )
    },
}

__all__ = [
    "Dense",
    "GradientFlow",
    "GradientFlowDisplay",
    "Gradients",
    "MLPClassifier",
    "MLPRegressor",
    "Model",
    "Network",
    "Parameters",
    "Problem",
    "TabularClassifier",
    "TabularRegressor",
    "Trace",
    "__version__",
    "assert_gradients_match",
    "backward",
    "check",
    "check_function",
    "check_network",
    "check_torch",
    "cost",
    "diagnose",
    "explain",
    "explore",
    "forward",
    "from_keras",
    "from_onnx",
    "from_safetensors",
    "from_scikit_learn",
    "from_torch",
    "grade",
    "load_model",
    "predict",
    "problem_from",
    "read_problem",
    "save_model",
    "search",
    "suggest_inputs",
    "train",
]


def loader(writer: str) -> Callable[[], Writer]:
    """What loads a function of this package, by its dotted name, when it is first needed."""
    module, function = writer.rsplit(".", 1)
    return lambda: getattr(import_module(f"backlit.{module}"), function)


for result, formats in DISPLAYS.items():
    register(result, **{format: loader(writer) for format, writer in formats.items()})


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module 'backlit' has no attribute {name!r}")
    value = getattr(import_module(HOME[name]), name)
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *HOME})
