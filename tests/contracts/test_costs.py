"""docs/costs.md: each amount follows from the prices and assumptions of the page."""

import ast
import operator
import re

import pytest

from midnight.settings import REPOSITORY
from tests.contracts.terraform_files import TerraformFiles

PAGE = (REPOSITORY / "docs" / "costs.md").read_text()
ENVIRONMENTS = ("dev", "prod")
OPERATORS = {ast.Add: operator.add, ast.Mult: operator.mul, ast.Div: operator.truediv}


def rows(title):
    """The cells of the table below a heading, without its two head lines."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def compute(formula, values):
    """The value of a formula of names, numbers, ``+``, ``*``, ``/`` and brackets."""

    def value(node):
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        return values[node.id] if isinstance(node, ast.Name) else float(node.value)

    return value(ast.parse(formula, mode="eval").body)


@pytest.fixture(params=ENVIRONMENTS)
def inputs(request):
    """Prices and assumptions of an environment, and the column of its amounts."""
    prices = {cells[0].strip("`"): float(cells[1]) for cells in rows("Prices")}
    prices["storage"] = prices["storage_lrs" if request.param == "dev" else "storage_zrs"]
    column = ENVIRONMENTS.index(request.param)
    assumed = {cells[0].strip("`"): float(cells[1 + column]) for cells in rows("Assumptions")}
    assert prices.keys() & assumed.keys() == set()
    return prices | assumed, 2 + column


@pytest.mark.parametrize("table", ["An idle month", "A run"])
def test_amounts_and_total_follow_from_the_formulas(inputs, table):
    values, column = inputs
    *components, total = rows(table)
    amounts = {cells[0]: compute(cells[1].strip("`"), values) for cells in components}
    assert {cells[0]: cells[column] for cells in components} == {name: f"{usd:.2f}" for name, usd in amounts.items()}
    assert total[column] == f"**{sum(amounts.values()):.2f}**"


def test_a_month_of_runs(inputs):
    values, column = inputs
    idle, run = (
        sum(compute(cells[1].strip("`"), values) for cells in rows(table)[:-1]) for table in ("An idle month", "A run")
    )
    stated = re.search(r"about (\d+) USD in dev and (\d+) USD in prod", PAGE)
    assert int(stated[column - 1]) == round(idle + 30 * run)


def test_the_assumptions_match_the_terraform_files():
    assumed = {cells[0].strip("`"): cells[1:3] for cells in rows("Assumptions")}
    infra = REPOSITORY / "infra"
    terraform = TerraformFiles({path.name: path.read_text() for path in infra.glob("*.tf")})
    endpoints = re.findall(r'part = "\w+", zone = "([\w.]+)"', terraform.texts["network.tf"])
    assert assumed["endpoints"] == ["0", str(len(endpoints))]
    assert assumed["zones"] == ["0", str(len(set(endpoints)))]
    workers = re.search(r"max_workers = (\d+)", (infra / "prod.tfvars.example").read_text())[1]
    assert assumed["machines"] == ["1", str(1 + int(workers))]


def test_every_price_has_a_source_and_a_date():
    assert [cells for cells in rows("Prices") if not cells[3] or not re.search(r"20\d\d-\d\d-\d\d$", cells[4])] == []
