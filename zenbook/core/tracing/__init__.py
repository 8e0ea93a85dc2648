"""From a pipeline function to a graph, and from a plan back to the parameters that can be changed."""
