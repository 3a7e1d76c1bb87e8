"""The notebook of the documentation, run without a kernel: `python -m tests.notebook FILE`.

Its cells run one after the other in one namespace. What they print, and the value of a last line
that is an expression, is what a kernel would show; it is saved in the notebook, and compared with
what is saved by `tests/documentation/test_python_page.py`.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

Output = dict[str, Any]


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells with code."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run_cells(notebook: dict[str, Any]) -> list[list[Output]]:
    """Run the code of a notebook; return what each cell shows."""
    names: dict[str, Any] = {"__name__": "__main__"}
    return [
        run_cell("".join(cell["source"]), names, number)
        for number, cell in enumerate(code_cells(notebook), start=1)
    ]


def run_cell(source: str, names: dict[str, Any], number: int) -> list[Output]:
    """Run one cell; what it does to `names` stays."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
    outputs: list[Output] = []
    if printed.getvalue():
        outputs.append(
            {"output_type": "stream", "name": "stdout", "text": lines(printed.getvalue())}
        )
    if value is not None:
        outputs.append(
            {
                "output_type": "execute_result",
                "execution_count": number,
                **displayed(value),
            }
        )
    return outputs


def displayed(value: Any) -> Output:
    """What a kernel makes of a value: text, and HTML or an image where it has one."""
    data: dict[str, Any] = {"text/plain": lines(repr(value))}
    metadata: dict[str, Any] = {}
    if hasattr(value, "_repr_html_") and (html := value._repr_html_()) is not None:
        data["text/html"] = lines(html)
    if hasattr(value, "_repr_png_"):
        png, size = value._repr_png_()
        data["image/png"] = base64.b64encode(png).decode()
        metadata["image/png"] = size
    return {"data": data, "metadata": metadata}


def lines(text: str) -> list[str]:
    """A text as notebooks keep it."""
    return text.splitlines(keepends=True)


def main() -> None:
    """Run a notebook and save what it shows."""
    file = Path(sys.argv[1])
    notebook = json.loads(file.read_text())
    shown = run_cells(notebook)
    for number, (cell, outputs) in enumerate(zip(code_cells(notebook), shown, strict=True), 1):
        cell["execution_count"], cell["outputs"] = number, outputs
    file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
