"""The graph of a network, its parts, and the builder of graphs."""

from inception_lens.graph.facts import CallFacts as CallFacts
from inception_lens.graph.facts import facts_of as facts_of
from inception_lens.graph.graph import Graph as Graph
from inception_lens.graph.graph import Writer as Writer
from inception_lens.graph.index import GraphIndex as GraphIndex
from inception_lens.graph.nodes import Input as Input
from inception_lens.graph.nodes import Inputs as Inputs
from inception_lens.graph.nodes import Metadata as Metadata
from inception_lens.graph.nodes import Mode as Mode
from inception_lens.graph.nodes import Node as Node
from inception_lens.graph.nodes import Output as Output
from inception_lens.graph.nodes import Shaped as Shaped
from inception_lens.graph.nodes import check_dtype as check_dtype
from inception_lens.graph.nodes import output_name as output_name
from inception_lens.graph.nodes import output_names as output_names
from inception_lens.graph.nodes import tensor_names as tensor_names
