"""The check of `verify --paper`: a network compared with the paper's Table 1 and with the claims of an article."""

from inception_lens.analyses.compare.parts import CountedGraph, pair
from inception_lens.analyses.paper.article import Described, Statement, statements
from inception_lens.analyses.paper.conventions import PaperRow, TableCheck, WeightedSums, table_1, weighted_sums
from inception_lens.analyses.records import JsonResult
from inception_lens.architectures.catalogue import find
from inception_lens.graph import Graph


class PaperCheck(JsonResult, frozen=True):
    """The result of checking a network against the paper and the article."""

    name: str
    """Name of the network."""
    table: TableCheck
    """The comparison with Table 1."""
    statements: tuple[Statement, ...]
    """The claims of the article."""
    totals: WeightedSums
    """Sums over all convolutions and linear layers."""

    @property
    def holds(self) -> bool:
        """Whether every deviation is known and explained."""
        return self.table.holds and all(each.verdict != "differs" for each in self.statements)

    def to_builtins(self) -> dict[str, object]:
        """The keys of `verify --paper --format json`."""
        return {
            "model": self.name,
            "holds": self.holds,
            "rows": [_record(row) for row in self.table.rows],
            "conventions": {
                "params": {"convention": self.table.best_params[0], "rows": self.table.best_params[1]},
                "ops": {"convention": self.table.best_ops[0], "rows": self.table.best_ops[1]},
            },
            "statements": self.statements,
            "totals": self.totals,
        }


def _record(row: PaperRow) -> dict[str, object]:
    return {
        "row": row.printed.type,
        "patch": row.printed.patch or None,
        "output": {"printed": row.printed.output, "found": row.output},
        "calls": row.calls,
        "params": row.params,
        "ops": row.ops,
        "verdict": row.verdict,
        "deviations": row.deviations,
    }


def check_paper(graph: Graph, training: Graph) -> PaperCheck:
    """Check a network, at inference and in training mode, against the paper and the article.

    Source: Table 1 and Figure 3 of arXiv 1409.4842; their network is the catalogue's `googlenet`.
    """
    config = find("googlenet").config
    paper = config.graph()
    network, reference = CountedGraph.of(graph), CountedGraph.of(paper)
    calls = [range(len(each.graph.nodes)) for each in (reference, network)]
    partner = {j: i for i, j in pair(reference, calls[0], network, calls[1]).alignment.pairs.items()}
    nodes = {paper.nodes[i].name: graph.nodes[j] for j, i in partner.items()}
    own = Described(paper, paper.index.nodes, config.graph("training"))
    return PaperCheck(
        graph.name,
        table_1(network, reference, partner),
        statements(Described(graph, nodes, training), own),
        weighted_sums(network, calls[1]),
    )
