"""docs/problem-files.md: its tables are the schema, its lists the registries, and its examples can be read."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from tests.commands import run_command
from tests.scripts import load_script

from backlit.core import Dense, Network
from backlit.core.activations import ACTIVATIONS
from backlit.core.initializers import INITIALIZERS
from backlit.core.losses import LOSSES
from backlit.derivation.examples import EXAMPLES, read_example
from backlit.formats.problems import LayerFile, ProblemFile, read_problem
from backlit.optim import OPTIMIZERS, get_optimizer

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "problem-files.md").read_text(encoding="utf-8")
WORDS = {"integer": "whole number", "number": "number", "string": "name", "boolean": "true or false"}


def kind(schema):
    """The type of a field in words, from its JSON Schema."""
    if "anyOf" in schema:
        kinds = [kind(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(kinds)
    if schema.get("type") == "array":
        inner = schema["items"]
        return "layers" if "$ref" in inner else "rows of numbers" if inner.get("type") == "array" else "numbers"
    return "name and parameters" if schema.get("type") == "object" else WORDS[schema["type"]]


def table(model):
    """The fields of a schema as the page has them."""
    fields = model.model_json_schema()["properties"]
    lines = ["| field | what | if not given | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        default = (
            "required" if field.is_required() else "" if field.default is None else f"`{json.dumps(field.default)}`"
        )
        lines.append(f"| `{name}` | {kind(fields[name])} | {default} | {field.description} |")
    return "\n".join(lines)


@pytest.mark.parametrize("model", [ProblemFile, LayerFile])
def test_the_page_has_every_field_of_the_schema(model):
    assert all(field.description for field in model.model_fields.values())
    assert table(model) in TEXT


def names_after(title):
    """The names that a line of the page lists."""
    (line,) = re.findall(rf"^- {title}: (.*?)\.$", TEXT, re.MULTILINE | re.DOTALL)
    return re.findall(r"`(\w+)`", line)


@pytest.mark.parametrize(
    ("title", "known"),
    [("activations", ACTIVATIONS), ("losses", LOSSES), ("schemes", INITIALIZERS), ("optimizers", OPTIMIZERS)],
)
def test_the_page_has_every_name(title, known):
    assert names_after(title) == list(known.shipped)


@pytest.mark.parametrize("name", OPTIMIZERS.shipped)
def test_the_page_has_every_parameter_of_an_optimizer(name):
    words = ", ".join(f"`{word}`" for word in get_optimizer(name).to_dict() if word != "name")
    assert f"| `{name}` | {words} |" in TEXT


@pytest.mark.parametrize("known", [ACTIVATIONS, LOSSES], ids=["activations", "losses"])
def test_the_page_has_every_parameter_with_its_default(known):
    for name in (name for name, words in known.takes.items() if words and name in known.shipped):
        (shown,) = {text for text in re.findall(r"`({.*?})`", TEXT) if f'"name": "{name}"' in text}
        assert known.find(json.loads(shown)) is known[name]


LOADERS = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}


def test_the_same_problem_in_three_formats(capsys):
    shown = {suffix: re.findall(rf"```{suffix}\n(.*?)```", TEXT, re.DOTALL)[0] for suffix in LOADERS}
    first, *others = [read_problem(LOADERS[suffix](text)).to_dict() for suffix, text in shown.items()]
    assert others == [first, first]
    assert run_command(capsys, "example", "worked") == (0, shown["json"], "")


def test_a_problem_file_can_be_written_from_python():
    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]
    scope = {}
    exec(code, scope)
    net = Network(2, [Dense(2, "tanh"), Dense(1)])
    assert read_problem(json.loads(scope["text"])).to_dict()["layers"][0]["W"] == net.init(seed=0).W[1].tolist()


def test_the_readme_links_to_it():
    assert "(docs/problem-files.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_schema_for_editors_is_fresh():
    """`make schema` writes it."""
    script = load_script("problem_schema")
    assert script.OUT.read_text(encoding="utf-8") == script.text()


def test_the_schema_for_editors_takes_what_is_read_and_refuses_what_is_not():
    jsonschema = pytest.importorskip("jsonschema")
    schema = load_script("problem_schema").schema()
    for name in EXAMPLES:
        jsonschema.validate({"$schema": "./problem.schema.json", **read_example(name)}, schema)
    assert read_problem({"$schema": "x", **read_example("worked")}).net.n == (2, 2, 1)
    wrong = read_example("worked")
    wrong["layers"][0]["activation"] = "sigmoidal"
    with pytest.raises(jsonschema.ValidationError, match="sigmoidal"):
        jsonschema.validate(wrong, schema)
