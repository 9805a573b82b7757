"""The paper's Table 1 and the claims of an article, checked against a network."""
