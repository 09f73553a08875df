"""Write the JSON Schema of problem files, docs/problem.schema.json: fields from the model, names from the registries.

python scripts/problem_schema.py
"""

import json
from pathlib import Path
from typing import Any

from backlit.core import ACTIVATIONS, LOSSES
from backlit.core.initializers import INITIALIZERS
from backlit.core.network import NORMS, REDUCTIONS
from backlit.formats.problems import ProblemFile
from backlit.optim import OPTIMIZERS

OUT = Path(__file__).parents[1] / "docs" / "problem.schema.json"


def schema() -> dict[str, Any]:
    """The schema as a mapping."""
    made = ProblemFile.model_json_schema()
    made["properties"] = {"$schema": {"type": "string"}, **made["properties"]}
    fields, layer = made["properties"], made["$defs"]["LayerFile"]["properties"]
    layer["activation"] |= {"anyOf": spec(ACTIVATIONS)}
    layer["norm"]["anyOf"][0]["enum"] = list(NORMS)
    fields["loss"] |= {"anyOf": spec(LOSSES)}
    fields["reduction"]["enum"] = list(REDUCTIONS)
    fields["init"] |= {"anyOf": [*spec(INITIALIZERS, "scheme"), {"type": "null"}]}
    fields["optimizer"] |= {"anyOf": [*spec(OPTIMIZERS), {"type": "null"}]}
    title = {"title": "A problem file of Backlit", "description": "A network, its numbers and examples."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, **title}


def spec(table: Any, key: str = "name") -> list[dict[str, Any]]:
    """A name, or a table of the name and its parameters."""
    known = {"enum": sorted(table.shipped)}
    return [known, {"type": "object", "properties": {key: known}, "required": [key]}]


def text() -> str:
    """The file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OUT.write_text(text(), encoding="utf-8")
    print(OUT.name)
